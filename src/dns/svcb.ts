/** The parameters in rdata of SVCB and HTTPS (RFC 9460). */
import { base64Octets, base64Text, type Field } from './fields.ts'
import { ipText, ipv4Octets, ipv6Octets } from './ip.ts'
import { latin1 } from './name.ts'
import { octetsOf, quote } from './tokens.ts'

const Key = {
  mandatory: 0,
  alpn: 1,
  'no-default-alpn': 2,
  port: 3,
  ipv4hint: 4,
  ech: 5,
  ipv6hint: 6,
  dohpath: 7,
} as const
const keyNames = Object.keys(Key)

type Params = ReadonlyMap<number, Uint8Array>

/**
 * Text is held to what the RFC says of each parameter and of the parameters together. Octets from elsewhere have to be
 * sound in structure (keys in order, lengths right, fixed sizes kept), so that no foreign server's record is lost.
 */
export const parameters: Field = {
  parse(tokens) {
    const params = new Map<number, Uint8Array>()
    for (const word of tokens.rest()) {
      const param = paramFromText(word)
      if (typeof param === 'string') return param
      if (params.has(param.key)) return `parameter ${keyText(param.key)} once`
      params.set(param.key, param.value)
    }
    const wrong = togetherWrong(params)
    if (wrong !== undefined) return wrong
    const octets: number[] = []
    for (const [key, value] of [...params].sort(([a], [b]) => a - b)) {
      octets.push(key >> 8, key & 255, value.length >> 8, value.length & 255, ...value)
    }
    return Uint8Array.from(octets)
  },
  show(data, at) {
    const params = paramsIn(data, at)
    if (params === undefined) return undefined
    const texts: string[] = []
    for (const [key, value] of params) {
      const text = paramText(key, value)
      if (text === undefined) return undefined
      texts.push(text)
    }
    return { text: texts.join(' '), end: data.length }
  },
}

/** The parameters at `at`, when their structure is sound. */
export function paramsIn(data: Uint8Array, at: number): Params | undefined {
  const params = new Map<number, Uint8Array>()
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  let last = -1
  for (let next = at; next < data.length; ) {
    if (next + 4 > data.length) return undefined
    const key = view.getUint16(next)
    const end = next + 4 + view.getUint16(next + 2)
    if (key <= last || end > data.length) return undefined
    const value = data.subarray(next + 4, end)
    if (!fixedSizeRight(key, value.length)) return undefined
    params.set(key, value)
    last = key
    next = end
  }
  return params
}

function fixedSizeRight(key: number, length: number): boolean {
  if (key === Key.port) return length === 2
  if (key === Key['no-default-alpn']) return length === 0
  if (key === Key.ipv4hint) return length > 0 && length % 4 === 0
  if (key === Key.ipv6hint) return length > 0 && length % 16 === 0
  return true
}

function keyFromText(text: string): number | undefined {
  if (Object.hasOwn(Key, text)) return Key[text as keyof typeof Key]
  const digits = /^key(0|[1-9][0-9]{0,4})$/.exec(text)?.[1]
  return digits !== undefined && Number(digits) < 0xffff ? Number(digits) : undefined
}

const keyText = (key: number): string => keyNames[key] ?? `key${key}`

function paramFromText(word: string): { key: number; value: Uint8Array } | string {
  const equals = word.indexOf('=')
  const key = keyFromText((equals < 0 ? word : word.slice(0, equals)).toLowerCase())
  if (key === undefined) return 'a parameter such as alpn=h2 or key123=value'
  const octets = octetsOf(equals < 0 ? '' : word.slice(equals + 1))
  const value = octets === undefined ? undefined : valueFromText(key, octets)
  return value === undefined || value.length > 0xffff ? `a value as parameter ${keyText(key)} has it` : { key, value }
}

function valueFromText(key: number, octets: string): Uint8Array | undefined {
  switch (key) {
    case Key.mandatory: {
      const keys = octets.split(',').map(keyFromText)
      if (keys.includes(undefined) || new Set(keys).size < keys.length) return undefined
      return Uint8Array.from((keys as number[]).sort((a, b) => a - b).flatMap((k) => [k >> 8, k & 255]))
    }
    case Key.alpn: {
      const ids = listItems(octets)
      if (ids.some((id) => id.length === 0 || id.length > 255)) return undefined
      return bytesOf(ids.map((id) => String.fromCharCode(id.length) + id).join(''))
    }
    case Key['no-default-alpn']:
      return octets === '' ? new Uint8Array() : undefined
    case Key.port:
      return /^[0-9]{1,5}$/.test(octets) && Number(octets) <= 0xffff
        ? Uint8Array.of(Number(octets) >> 8, Number(octets) & 255)
        : undefined
    case Key.ipv4hint:
      return addresses(octets, ipv4Octets)
    case Key.ipv6hint:
      return addresses(octets, ipv6Octets)
    case Key.ech:
      return base64Octets(octets)
    case Key.dohpath:
      return isDohPath(octets) ? bytesOf(octets) : undefined
    default:
      return bytesOf(octets)
  }
}

/** What the parameters have to be to each other (sections 7.1.1 and 8); the expectation that fails. */
function togetherWrong(params: Params): string | undefined {
  if (params.has(Key['no-default-alpn']) && !params.has(Key.alpn)) return 'alpn beside no-default-alpn'
  const mandatory = params.get(Key.mandatory) ?? []
  for (let i = 0; i < mandatory.length; i += 2) {
    const key = ((mandatory[i] as number) << 8) | (mandatory[i + 1] as number)
    if (key === Key.mandatory || !params.has(key)) return `parameter ${keyText(key)}, which is said to be mandatory`
  }
  return undefined
}

/** Items between commas; `\,` and `\\` stand for themselves (appendix A.1). */
function listItems(octets: string): string[] {
  const items = ['']
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] === ',') items.push('')
    else {
      if (octets[i] === '\\') i++
      items[items.length - 1] += octets[i] ?? ''
    }
  }
  return items
}

function addresses(octets: string, read: (text: string) => Uint8Array | undefined): Uint8Array | undefined {
  const found = octets.split(',').map(read)
  return found.includes(undefined) ? undefined : Uint8Array.from((found as Uint8Array[]).flatMap((a) => [...a]))
}

// A relative URI template (RFC 6570) with the variable "dns" (RFC 9461 section 5).
const varName = '(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*'
const varSpec = `${varName}(?::[1-9][0-9]{0,3}|\\*)?`
const template = new RegExp(`^/(?:[^{}]|\\{[+#./;?&]?${varSpec}(?:,${varSpec})*\\})*$`)
const withDns = /\{[+#./;?&]?(?:[^{}]*,)?dns(?:[:*][^{},]*)?(?:,[^{}]*)?\}/

const isDohPath = (octets: string): boolean => template.test(octets) && withDns.test(octets)

function paramText(key: number, value: Uint8Array): string | undefined {
  const show = (text: string) => `${keyText(key)}=${text}`
  switch (key) {
    case Key.mandatory: {
      if (value.length === 0 || value.length % 2 !== 0) return undefined
      const keys: string[] = []
      for (let i = 0; i < value.length; i += 2)
        keys.push(keyText(((value[i] as number) << 8) | (value[i + 1] as number)))
      return show(keys.join(','))
    }
    case Key.alpn: {
      const items: string[] = []
      for (let i = 0; i < value.length; ) {
        const end = i + 1 + (value[i] as number)
        if (end > value.length || end === i + 1) return undefined
        items.push(latin1(value, i + 1, end).replace(/[\\,]/g, '\\$&'))
        i = end
      }
      return items.length === 0 ? undefined : show(quote(items.join(',')))
    }
    case Key['no-default-alpn']:
      return keyText(key)
    case Key.port:
      return show(String(((value[0] as number) << 8) | (value[1] as number)))
    case Key.ipv4hint:
    case Key.ipv6hint: {
      const size = key === Key.ipv4hint ? 4 : 16
      const texts: string[] = []
      for (let i = 0; i < value.length; i += size) texts.push(ipText(value.subarray(i, i + size)) as string)
      return show(texts.join(','))
    }
    case Key.ech:
      return value.length === 0 ? undefined : show(base64Text(value))
    default:
      return value.length === 0 ? keyText(key) : show(quote(latin1(value)))
  }
}

const bytesOf = (octets: string): Uint8Array => Uint8Array.from(octets, (c) => c.charCodeAt(0))
