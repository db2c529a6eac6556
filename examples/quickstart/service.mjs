/**
 * A service to break: one site of the quickstart. Plain JavaScript for any Node from 20 on.
 *
 *     node service.mjs 127.0.0.11 8080 east
 *
 *     GET  /         which site answers, and from which process
 *     GET  /healthz  200 while it is well, 503 while it is broken
 *     POST /break    from now on it is broken, although it lives
 *     POST /mend     well again
 */
import { createServer } from 'node:http'

const [address, portText, site] = process.argv.slice(2)
const port = Number(portText)
if (address === undefined || site === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error(
    `expected ADDRESS PORT SITE, found ${JSON.stringify(process.argv.slice(2))}; try: node service.mjs 127.0.0.11 8080 east`,
  )
  process.exit(2)
}

let broken = false

const server = createServer((request, response) => {
  request.resume()
  const answer = (status, text, headers = {}) =>
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`)
  const { pathname } = new URL(request.url ?? '/', 'http://service')
  const route = `${request.method === 'HEAD' ? 'GET' : request.method} ${pathname}`
  if (route === 'GET /')
    return answer(broken ? 503 : 200, `${site}: ${broken ? 'broken' : 'well'} (process ${process.pid})`)
  if (route === 'GET /healthz') return answer(broken ? 503 : 200, broken ? 'broken' : 'ok')
  if (route === 'POST /break' || route === 'POST /mend') {
    const before = broken
    broken = pathname === '/break'
    if (before !== broken) console.log(`${site}: ${broken ? 'broken: answers 503 until POST /mend' : 'mended'}`)
    return answer(200, `${site}: ${broken ? 'broken' : 'well'}`)
  }
  if (['/', '/healthz', '/break', '/mend'].includes(pathname)) {
    const allow = pathname === '/break' || pathname === '/mend' ? 'POST' : 'GET, HEAD'
    return answer(405, `use ${allow}`, { allow })
  }
  return answer(404, 'try /, /healthz, POST /break or POST /mend')
})

server.on('error', (error) => {
  const todo = {
    EADDRINUSE: 'something else listens there: stop it, or choose another port',
    EADDRNOTAVAIL: `this machine does not have that address: on macOS run sudo ifconfig lo0 alias ${address}`,
    EACCES: 'choose a port from 1024 on',
  }[error.code]
  console.error(`${site}: cannot listen on ${address}:${port} (${error.code}); ${todo ?? error.message}`)
  process.exit(1)
})
server.listen(port, address, () => console.log(`${site}: http://${address}:${port}/ (process ${process.pid})`))

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
