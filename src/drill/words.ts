/** The words of an operator's command, without a shell: quotes group, a backslash takes the next character as it is. */
export function wordsOf(command: string): readonly string[] | string {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < command.length; at++) {
    const one = command[at] as string
    if (one === '\\' && quote !== "'") {
      const next = command[++at]
      if (next === undefined) return 'a backslash at the end'
      word = (word ?? '') + next
    } else if (quote !== '') {
      if (one === quote) quote = ''
      else word = (word ?? '') + one
    } else if (one === '"' || one === "'") {
      quote = one
      word ??= ''
    } else if (/\s/.test(one)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (/[|&;<>`$]/.test(one)) {
      return `${one}, which means something to a shell only`
    } else word = (word ?? '') + one
  }
  if (quote !== '') return `a quote ${quote} that does not end`
  if (word !== undefined) words.push(word)
  return words.length === 0 ? 'nothing' : words
}
