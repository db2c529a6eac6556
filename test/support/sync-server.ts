/** The least that speaks the poll protocol of the lease service: `answer` says what each report gets. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Report {
  readonly id: string
  readonly bootId: string
  readonly epoch: number
  readonly proof: string
  readonly authorization: string | undefined
  /** Of the connection that it came by. */
  readonly port: number
}

export interface Told {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly host?: Readonly<Record<string, unknown>>
}

export interface SyncServer {
  readonly url: string
  readonly reports: Report[]
  close(): Promise<void>
}

/** `count`: 1 for the first report. 'hang up': the connection breaks. */
export async function syncServer(answer: (report: Report, count: number) => Told | 'hang up'): Promise<SyncServer> {
  const reports: Report[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      const report: Report = {
        ...JSON.parse(text),
        authorization: request.headers.authorization,
        port: request.socket.remotePort ?? 0,
      }
      reports.push(report)
      const told = request.method === 'POST' && request.url === '/v1/sync' ? answer(report, reports.length) : {}
      if (told === 'hang up') {
        request.socket.destroy()
        return
      }
      const hosts = told.host === undefined ? [] : [{ id: report.id, ...told.host }]
      response.writeHead(told.status ?? 200, { 'content-type': 'application/json', ...told.headers })
      response.end(JSON.stringify({ now: Date.now(), gen: 1, hosts }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    reports,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
