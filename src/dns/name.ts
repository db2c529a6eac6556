/**
 * Domain names as the wire has them: any octet in a label, case kept (RFC 1035 section 3.1, RFC 2181 section 11).
 *
 * A `WireName` is the uncompressed wire form as a string of characters 0 to 255: length octet, label octets, ...,
 * a final zero. One string is a map key, compares and slices fast, and needs no escapes.
 */
import type { Brand } from '../base/brand.ts'

/** Uncompressed wire form, one character an octet, 1 to 255 octets, labels of at most 63. */
export type WireName = Brand<string, 'WireName'>

export const root = '\0' as WireName

const maxOctets = 255
const maxLabel = 63

/**
 * The name with ASCII letters in lower case: equal names have equal folds (RFC 4343). Length octets are at most 63,
 * below "A", so the whole string can be folded at once. Octets above 127 stay as they are.
 */
export function fold(name: WireName): WireName {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code >= 0x41 && code <= 0x5a) return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) as WireName
  }
  return name
}

/**
 * Presentation form (RFC 1035 section 5.1): `\DDD` is an octet, `\X` is X without special meaning. A name without the
 * final dot stands below `origin`, or is taken as absolute when there is none; `@` alone is the origin.
 * Undefined for an empty label, a label over 63 or a name over 255 octets, a bad escape, and anything but ASCII.
 */
export function nameFromText(text: string, origin: WireName = root): WireName | undefined {
  if (text === '.') return root
  if (text === '@') return origin
  if (text === '') return undefined
  let wire = ''
  let label = ''
  let absolute = false
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i)
    if (code === 0x2e) {
      if (label === '' || label.length > maxLabel) return undefined
      wire += String.fromCharCode(label.length) + label
      label = ''
      absolute = i === text.length - 1
      continue
    }
    if (code === 0x5c) {
      const octet = escapeAt(text, i)
      if (octet === undefined) return undefined
      code = octet.code
      i += octet.extra
    } else if (code > 0x7e || code < 0x21) return undefined
    label += String.fromCharCode(code)
    if (label.length > maxLabel) return undefined
  }
  if (label !== '') wire += String.fromCharCode(label.length) + label
  wire += absolute ? root : origin
  return wire.length <= maxOctets ? (wire as WireName) : undefined
}

/** The octet that the escape at `at` (a backslash) stands for, and how many more characters it takes. */
export function escapeAt(text: string, at: number): { readonly code: number; readonly extra: number } | undefined {
  const digits = /^[0-9]{3}/.exec(text.slice(at + 1, at + 4))?.[0]
  if (digits !== undefined) return Number(digits) <= 255 ? { code: Number(digits), extra: 3 } : undefined
  const code = text.charCodeAt(at + 1)
  // A digit that does not begin \DDD, the end of the text, and anything but ASCII are no escapes.
  return Number.isNaN(code) || code > 0x7e || code < 0x20 || (code >= 0x30 && code <= 0x39)
    ? undefined
    : { code, extra: 1 }
}

const plainLabels = /^[A-Za-z0-9_*-]+$/

/** Presentation form with the final dot; special characters as `\X`, octets that do not print as `\DDD`. */
export function nameToText(name: WireName): string {
  if (name === root) return '.'
  let text = ''
  for (const label of labelsOf(name)) text += `${plainLabels.test(label) ? label : escapeLabel(label)}.`
  return text
}

function escapeLabel(label: string): string {
  let text = ''
  for (let i = 0; i < label.length; i++) {
    const code = label.charCodeAt(i)
    if (code < 0x21 || code > 0x7e) text += `\\${String(code).padStart(3, '0')}`
    else text += '.\\"();@$'.includes(label[i] as string) ? `\\${label[i]}` : label[i]
  }
  return text
}

/** The labels from the left, without the root's empty one; each has one character an octet. */
export function labelsOf(name: WireName): string[] {
  const labels: string[] = []
  for (let i = 0; ; ) {
    const length = name.charCodeAt(i)
    if (!(length > 0)) return labels
    labels.push(name.slice(i + 1, i + 1 + length))
    i += 1 + length
  }
}

/** The name without its first label; the root is its own parent. */
export function parentOf(name: WireName): WireName {
  return name === root ? root : (name.slice(1 + name.charCodeAt(0)) as WireName)
}

/** Whether `name` is `apex` or below it, without regard to case. */
export function isBelowOrAt(name: WireName, apex: WireName): boolean {
  const cut = name.length - apex.length
  if (cut < 0) return false
  // The suffix has to begin at a label: "\x03foo" + apex may not be the tail of one long label.
  let i = 0
  while (i < cut) i += 1 + name.charCodeAt(i)
  if (i !== cut) return false
  const tail = (cut === 0 ? name : name.slice(cut)) as WireName
  return tail === apex || fold(tail) === fold(apex)
}

/** Whether the first label is exactly `*` (RFC 4592 section 2.1.1). */
export const isWildcard = (name: WireName): boolean => name.startsWith('\x01*')

/** `*.name`. Up to 257 octets long: what is no possible name is in no zone either, so it is only good for look-ups. */
export const wildcardBelow = (name: WireName): WireName => `\x01*${name}` as WireName

/** The name as octets of a message, uncompressed. */
export function nameToBytes(name: WireName): Uint8Array {
  const bytes = new Uint8Array(name.length)
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i)
  return bytes
}

/**
 * The uncompressed name at `at`, and where it ends. Undefined when it is cut off, longer than 255 octets, or has a
 * length octet over 63 (a compression pointer, or one of the label types of RFC 6891 section 5, which nobody uses).
 */
export function nameInBytes(bytes: Uint8Array, at = 0): { readonly name: WireName; readonly end: number } | undefined {
  let end = at
  for (;;) {
    const length = bytes[end]
    if (length === undefined || length > maxLabel) return undefined
    end += 1 + length
    if (end > bytes.length || end - at > maxOctets) return undefined
    if (length === 0) return { name: latin1(bytes, at, end) as WireName, end }
  }
}

/** Octets as characters 0 to 255. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  // Short ones are faster without a view of their own.
  if (end - start > 32) return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}
