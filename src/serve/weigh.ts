/**
 * Weighted answers: of a guarded name's addresses each is shown with the probability weight / greatest weight, so those
 * with the greatest weight are always there and an answer is never empty. The set is chosen whole and keeps one TTL
 * (RFC 2181, section 5.2); A and AAAA are judged each by themselves.
 */

/**
 * Writes the chosen indices in random order into `chosen` and returns how many: at least one. `weights` are 1 to 65,535;
 * `random` gives whole numbers 0 <= n < 2^32.
 */
export function chooseWeighted(weights: Uint16Array, random: () => number, chosen: Uint16Array): number {
  let greatest = 1
  for (let i = 0; i < weights.length; i++) if ((weights[i] as number) > greatest) greatest = weights[i] as number
  let count = 0
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number
    if (weight === greatest || (random() / 2 ** 32) * greatest < weight) {
      chosen[count] = i
      count++
    }
  }
  // Fisher and Yates.
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((random() / 2 ** 32) * (i + 1))
    const other = chosen[j] as number
    chosen[j] = chosen[i] as number
    chosen[i] = other
  }
  return count
}
