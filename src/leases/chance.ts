/** Chance for spreading reports: sfc32, seeded by the World. Good enough for that, and costs nothing. */
export function chanceFrom(seed: Uint8Array): () => number {
  const words = new Uint32Array(4)
  words.set(new Uint32Array(seed.slice(0, 12).buffer))
  words[3] = 1
  const next = () => {
    const [a = 0, b = 0, c = 0, count = 0] = words
    const result = (a + b + count) >>> 0
    words[0] = b ^ (b >>> 9)
    words[1] = c + (c << 3)
    words[2] = ((c << 21) | (c >>> 11)) + result
    words[3] = count + 1
    return result / 2 ** 32
  }
  for (let round = 0; round < 12; round++) next()
  return next
}
