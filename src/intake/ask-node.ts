/** Asks Prometheus over HTTPS; plain HTTP goes through the World. */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { resolve } from 'node:path'
import { failureOf } from '../world/node.ts'
import type { Failure, HttpReply, World } from '../world/world.ts'
import type { AskPrometheus } from './demand.ts'

const bodyAtMost = 64 * 1024

/** `dir`: where relative files of the configuration start. */
export function askPrometheus(world: Pick<World, 'net'>, dir: string): AskPrometheus {
  return (source, path, headers, timeoutMs) => {
    const { address, tls } = source
    if (tls === undefined) return world.net.request({ method: 'GET', to: address, path, headers }, timeoutMs)
    return new Promise((done) => {
      let timer: NodeJS.Timeout | undefined
      const settle = (result: Failure | HttpReply) => {
        clearTimeout(timer)
        done(result)
      }
      const failed = (error: Error) => settle(failureOf(error))
      try {
        const asked = request({
          host: address.host,
          port: address.port,
          path,
          headers,
          agent: false,
          servername: tls.serverName ?? '',
          rejectUnauthorized: tls.verify,
          ...(tls.ca === null ? {} : { ca: readFileSync(resolve(dir, tls.ca)) }),
        })
        timer = setTimeout(() => {
          settle({ kind: 'failure', reason: 'timeout', detail: `nothing in ${timeoutMs} ms` })
          asked.destroy()
        }, timeoutMs)
        asked.on('error', failed)
        asked.on('response', (response) => {
          const chunks: Buffer[] = []
          let length = 0
          const finish = () => {
            settle({
              kind: 'http',
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).subarray(0, bodyAtMost),
            })
            asked.destroy()
          }
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk)
            length += chunk.length
            if (length >= bodyAtMost) finish()
          })
          response.on('end', finish)
          response.on('error', failed)
        })
        asked.end()
      } catch (error) {
        failed(error as Error)
      }
    })
  }
}
