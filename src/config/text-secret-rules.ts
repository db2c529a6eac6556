/** What secrets of checks, demand and agents must be, where they can be read. Pure. */
import type { ReadSecret, SecretSource } from '../model/secret.ts'
import type { Draft } from './draft.ts'
import type { Finding, Path } from './problems.ts'

/** A shorter token can be guessed. */
export const tokenAtLeast = 16
/** As much of a bearer token as travels well (RFC 6750, section 2.1), and everything else that is printable. */
export const tokenPattern = /^[\x21-\x7e]{16,4096}$/

/**
 * A secret that cannot be read here is a warning: programs that need it may run elsewhere. A token that is
 * no good is an error, and is not shown.
 */
export function textSecretFindings(draft: Draft, read: ReadSecret): readonly Finding[] {
  const findings: Finding[] = []
  const textOf = (source: SecretSource, where: Path, without: string): string | undefined => {
    const reading = read(source)
    if (reading.kind === 'secret') return reading.text
    const at = [...where, source.kind]
    const todo = source.kind === 'file' ? 'write it there' : `set ${source.env}`
    findings.push({
      where: at,
      severity: 'warning',
      expected: 'a secret',
      found: reading.why,
      todo: `${todo}: ${without}`,
    })
    return undefined
  }
  for (const [id, { pool, path }] of draft.pools) {
    const { check, demand } = pool
    if (check.kind === 'http')
      for (const header of check.headers ?? [])
        if ('secret' in header)
          textOf(
            header.secret,
            [...path, 'check', 'http', 'headers', header.name],
            `${id} cannot be checked without it`,
          )
    if (demand?.kind === 'prometheus' && demand.bearer !== undefined)
      textOf(demand.bearer, [...path, 'demand', 'prometheus', 'bearer'], 'Prometheus cannot be asked without it')
  }
  const { leases } = draft
  if (leases !== null) {
    const where = ['leases', 'token']
    const text = textOf(leases.token, where, 'no host is let in until then')
    if (text !== undefined && !tokenPattern.test(text))
      findings.push({
        where,
        severity: 'error',
        expected: `a token of at least ${tokenAtLeast} printable characters without blanks`,
        found: text.length < tokenAtLeast ? `${text.length} characters` : 'something else (not shown)',
        todo: 'make a new one: openssl rand -hex 32',
      })
    for (const [name, work] of Object.entries({ dependency: leases.dependency, downstream: leases.downstream })) {
      if (work?.kind === 'postgres')
        textOf(work.url, ['leases', name, 'postgres', 'url'], 'PostgreSQL cannot be reached without it')
      if (work?.kind === 'http' && work.bearer !== null)
        textOf(work.bearer, ['leases', name, 'http', 'bearer'], 'nothing can be asked without it')
    }
  }
  const owners = new Map<string, string>()
  for (const { name, token } of draft.intake?.agents ?? []) {
    const where = ['intake', 'agents', name, 'token']
    const text = textOf(token, where, 'the agent is refused until then')
    if (text === undefined) continue
    const refuse = (expected: string, found: string) =>
      findings.push({ where, severity: 'error', expected, found, todo: 'make a new one: openssl rand -hex 32' })
    const owner = owners.get(text)
    if (!tokenPattern.test(text))
      refuse(
        `a token of at least ${tokenAtLeast} printable characters without blanks`,
        text.length < tokenAtLeast ? `${text.length} characters` : 'something else (not shown)',
      )
    else if (owner !== undefined) refuse('a token of its own', `the one of ${owner} (not shown)`)
    else owners.set(text, name)
  }
  return findings
}
