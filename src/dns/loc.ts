/** Rdata of LOC: a place on Earth (RFC 1876). */
import type { Field } from './fields.ts'

const expected = 'a location such as 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m'
/** The equator and the prime meridian, in thousandths of a second of arc. */
const middle = 2 ** 31
/** Altitudes count centimetres from 100 km below the reference spheroid. */
const lowest = 10_000_000
const usual = [100, 1_000_000, 1000] as const

export const location: Field = {
  parse(tokens) {
    const words = tokens.rest()
    const latitude = angle(words, 90, 'N', 'S')
    const longitude = angle(words, 180, 'E', 'W')
    const altitude = metres(words.shift(), /^-?[0-9]{1,8}(?:\.[0-9]{1,2})?m?$/)
    if (latitude === undefined || longitude === undefined || altitude === undefined) return expected
    if (altitude < -lowest || altitude + lowest > 0xffff_ffff)
      return 'an altitude from -100000.00 to 42849672.95 metres'
    const sizes = usual.map((centimetres) => (words.length === 0 ? precision(centimetres) : size(words.shift())))
    if (sizes.includes(undefined) || words.length > 0) return expected
    const data = new Uint8Array(16)
    data.set(sizes as number[], 1)
    const view = new DataView(data.buffer)
    view.setUint32(4, middle + latitude)
    view.setUint32(8, middle + longitude)
    view.setUint32(12, lowest + altitude)
    return data
  },
  show(data, at) {
    const view = new DataView(data.buffer, data.byteOffset + at, data.length - at)
    if (view.byteLength !== 16 || view.getUint8(0) !== 0) return undefined
    const latitude = view.getUint32(4) - middle
    const longitude = view.getUint32(8) - middle
    const sizes = [1, 2, 3].map((index) => sizeText(view.getUint8(index)))
    if (Math.abs(latitude) > 90 * 3_600_000 || Math.abs(longitude) > 180 * 3_600_000 || sizes.includes(undefined))
      return undefined
    const altitude = `${centimetresText(view.getUint32(12) - lowest)}m`
    const text = [angleText(latitude, 'N', 'S'), angleText(longitude, 'E', 'W'), altitude, ...sizes].join(' ')
    return { text, end: data.length }
  },
}

/** Takes `d [m [s]] D` from the front; thousandths of a second, positive to the north and east. */
function angle(words: string[], most: number, positive: string, negative: string): number | undefined {
  const parts: string[] = []
  for (let word = words.shift(); ; word = words.shift()) {
    if (word === undefined) return undefined
    const direction = word.toUpperCase()
    if (direction === positive || direction === negative) {
      const value = thousandths(parts)
      if (value === undefined || value > most * 3_600_000) return undefined
      return direction === positive ? value : -value
    }
    parts.push(word)
  }
}

function thousandths([degrees = '', minutes = '0', second = '0', ...more]: string[]): number | undefined {
  if (more.length > 0 || !/^[0-9]{1,3}$/.test(degrees) || !/^[0-9]{1,2}$/.test(minutes)) return undefined
  if (
    !/^(?:[0-9]{1,2})?(?:\.[0-9]{1,3})?$/.test(second) ||
    second === '' ||
    Number(minutes) > 59 ||
    Number(second) >= 60
  )
    return undefined
  return Number(degrees) * 3_600_000 + Number(minutes) * 60_000 + Math.round(Number(second) * 1000)
}

function metres(word: string | undefined, form: RegExp): number | undefined {
  return word !== undefined && form.test(word) ? Math.round(Number.parseFloat(word) * 100) : undefined
}

function size(word: string | undefined): number | undefined {
  const centimetres = metres(word, /^[0-9]{1,8}(?:\.[0-9]{1,2})?m?$/)
  return centimetres === undefined || centimetres > 9e9 ? undefined : precision(centimetres)
}

/** A digit and a power of ten, four bits each, rounded down. */
function precision(centimetres: number): number {
  let exponent = 0
  let base = centimetres
  for (; base > 9; exponent++) base = Math.floor(base / 10)
  return (base << 4) | exponent
}

function sizeText(octet: number): string | undefined {
  const base = octet >> 4
  const exponent = octet & 15
  if (base > 9 || exponent > 9) return undefined
  const centimetres = base * 10 ** exponent
  return `${centimetres % 100 === 0 ? centimetres / 100 : centimetresText(centimetres)}m`
}

const centimetresText = (centimetres: number): string => (centimetres / 100).toFixed(2)

function angleText(value: number, positive: string, negative: string): string {
  const rest = Math.abs(value)
  const second = ((rest % 60_000) / 1000).toFixed(3)
  return `${Math.floor(rest / 3_600_000)} ${Math.floor(rest / 60_000) % 60} ${second} ${value < 0 ? negative : positive}`
}
