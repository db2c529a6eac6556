/** Asks a target whether the drill is invited, and a lease manager what it has done. */
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { Client } from 'pg'
import { type Counted, readCounted } from './accounts.ts'
import { type Invitation, readInvitation } from './invitation.ts'

const askMs = 5_000
const replyAtMost = 4_096

export const invitationPath = '/.well-known/holdfast-drill'
export const invitationTable = 'drill_invitation'

/** A text: why there is none. Redirects are not followed: the target itself has to say so. */
export async function askHttp(origin: string, token: string | undefined): Promise<Invitation | string> {
  const reply = await documentOf(origin, token)
  if ('why' in reply) return reply.why
  return parsed(reply.text, readInvitation) ?? `something else: ${JSON.stringify(reply.text.slice(0, 60))}`
}

/** Undefined: it does not say. */
export async function askWork(origin: string, token: string | undefined): Promise<Counted | undefined> {
  const reply = await documentOf(origin, token)
  return 'why' in reply ? undefined : parsed(reply.text, readCounted)
}

async function documentOf(
  origin: string,
  token: string | undefined,
): Promise<{ readonly text: string } | { readonly why: string }> {
  const ask = origin.startsWith('https:') ? secureRequest : request
  return await new Promise((resolve) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const call = ask(new URL(invitationPath, origin), { headers, timeout: askMs }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (text.length < replyAtMost) text += chunk
      })
      response.on('error', (error) => resolve({ why: error.message }))
      response.on('end', () =>
        resolve(response.statusCode === 200 ? { text } : { why: `status ${response.statusCode}` }),
      )
    })
    call.on('timeout', () => call.destroy(new Error(`no answer in ${askMs / 1000} s`)))
    call.on('error', (error) => resolve({ why: error.message }))
    call.end()
  })
}

function parsed<T>(text: string, read: (value: unknown) => T | undefined): T | undefined {
  try {
    return read(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function askPostgres(url: string): Promise<Invitation | string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: askMs, query_timeout: askMs })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query(`select allow, until from ${invitationTable}`)
    if (rows.length !== 1) return `${rows.length} rows`
    return readInvitation(rows[0]) ?? 'a row that is none'
  } catch (error) {
    return (error as Error).message || String((error as { code?: unknown }).code)
  } finally {
    await client.end().catch(() => {})
  }
}
