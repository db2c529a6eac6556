/** The real clock, chance, timers and HTTP: the only file of the library that touches the machine. */
import type { HttpPort } from './port.ts'

const bodyMost = 1 << 20

export const nodePort: HttpPort = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  async post(url, body, headers, signal) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal,
      redirect: 'error',
    })
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after') ?? undefined,
      body: await limited(response),
    }
  },
}

async function limited(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bodyMost) throw new Error(`expected a reply of at most ${bodyMost} bytes, found more`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
