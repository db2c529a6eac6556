import type { Brand } from '../base/brand.ts'
import { type Problem, problem } from '../base/problem.ts'

/**
 * A domain name that Holdfast plans for: absolute, lower case, with the dot at the end, such as
 * `db.example.test.`. Labels of letters, digits, `-` and `_`, and `*` alone as the first label
 * (RFC 4592), so the text is also its own unescaped presentation form. The DNS server itself keeps
 * any octet; this narrower kind is for endpoints, zones and alias targets.
 */
export type Name = Brand<string, 'Name'>

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** Accepts any case and a missing final dot. At most 253 characters, labels of at most 63. */
export function parseName(text: string, at = 'name'): Name | Problem {
  const refuse = (expected: string) => problem(at, expected, JSON.stringify(text), 'correct the name')
  const absolute = text.toLowerCase().replace(/\.$/, '')
  if (absolute === '') return refuse('a domain name such as db.example.test')
  if (absolute.length > 253) return refuse('at most 253 characters')
  const labels = absolute.split('.')
  for (const [index, part] of labels.entries()) {
    if (part === '*' && index === 0 && labels.length > 1) continue
    if (!label.test(part))
      return refuse('labels of 1 to 63 letters, digits, "-" and "_", not starting or ending with "-"')
  }
  return `${absolute}.` as Name
}

/** `db.example.test.` is within `example.test.` and within itself. */
export function isWithin(name: Name, zone: Name): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}

/** The longest of `zones` that `name` is within. */
export function zoneOf(name: Name, zones: { has(zone: Name): boolean }): Name | undefined {
  for (let rest: string = name; ; ) {
    if (zones.has(rest as Name)) return rest as Name
    const dot = rest.indexOf('.')
    if (dot < 0 || dot === rest.length - 1) return undefined
    rest = rest.slice(dot + 1)
  }
}

const markerLabel = '_holdfast.'

/**
 * Where the marker of an endpoint stands: in a label below the endpoint, since a TXT record may not
 * stand beside a CNAME (RFC 1034, section 3.6.2), and in the endpoint's own zone, so that one update
 * message changes both.
 */
export function markerNameOf(endpoint: Name): Name {
  return `${markerLabel}${endpoint}` as Name
}

/** The endpoint that a marker's owner name speaks for, or undefined for any other name. */
export function endpointOfMarker(name: Name): Name | undefined {
  return name.startsWith(markerLabel) ? (name.slice(markerLabel.length) as Name) : undefined
}
