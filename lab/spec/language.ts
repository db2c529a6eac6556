/**
 * The few words in which a table of guarded actions is written, so that the same text can be printed as
 * Promela and be run beside a real program. Expressions are those of C; statements are
 *
 *     head = g        if (a > b) { … } else { … }        for (e in ENDPOINTS) { … }
 *     restart                                             (the own variables are what they were at the start)
 *     assert(a > b)                                       (what Spin has to prove; it changes nothing)
 *
 * and a condition may begin with `every e in ENDPOINTS:` or `some i in ENACTORS:`.
 */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  /** `a[i, j]`, a variable, or `a(i, j)`, a function. */
  | { readonly kind: 'index' | 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }

export type Statement =
  | { readonly kind: 'assign'; readonly to: Expression; readonly value: Expression }
  | {
      readonly kind: 'if'
      readonly condition: Expression
      readonly yes: readonly Statement[]
      readonly no: readonly Statement[]
    }
  | { readonly kind: 'for'; readonly name: string; readonly domain: string; readonly body: readonly Statement[] }
  | { readonly kind: 'assert'; readonly condition: Expression }
  | { readonly kind: 'restart' }

export interface Condition {
  readonly text: string
  readonly over: { readonly kind: 'every' | 'some'; readonly name: string; readonly domain: string } | null
  readonly expression: Expression
}

/** From the loosest to the tightest. */
const operators = [['||'], ['&&'], ['==', '!='], ['<', '<=', '>', '>='], ['+', '-'], ['*']] as const
const token = /\s*(?:(==|!=|<=|>=|&&|\|\||[-+*<>!=()[\]{},;:]|[A-Za-z_]\w*|\d+)|$)/y

class Words {
  readonly #text: string
  readonly #words: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#text = text
    const words: string[] = []
    token.lastIndex = 0
    while (token.lastIndex < text.trimEnd().length) {
      const word = token.exec(text)?.[1]
      if (word === undefined) throw new Error(`expected a word of the table's language, found ${text}`)
      words.push(word)
    }
    this.#words = words
  }

  get next(): string | undefined {
    return this.#words[this.#at]
  }

  take(): string {
    const word = this.#words[this.#at++]
    return word ?? this.wrong('more')
  }

  accept(word: string): boolean {
    if (this.next !== word) return false
    this.#at += 1
    return true
  }

  expect(word: string): void {
    if (!this.accept(word)) this.wrong(`"${word}"`)
  }

  wrong(expected: string): never {
    throw new Error(`expected ${expected}, found ${this.next ?? 'the end'} in: ${this.#text}`)
  }
}

function expression(words: Words, level = 0): Expression {
  const wanted = operators[level] as readonly string[] | undefined
  if (wanted === undefined) return term(words)
  let left = expression(words, level + 1)
  while (words.next !== undefined && wanted.includes(words.next))
    left = { kind: 'binary', operator: words.take(), left, right: expression(words, level + 1) }
  return left
}

function term(words: Words): Expression {
  if (words.accept('!')) return { kind: 'not', of: term(words) }
  if (words.accept('(')) {
    const inner = expression(words)
    words.expect(')')
    return inner
  }
  const word = words.take()
  if (/^\d/.test(word)) return { kind: 'number', value: Number(word) }
  if (!/^\w/.test(word)) words.wrong('a name or a number')
  if (words.accept('[')) return { kind: 'index', name: word, args: list(words, ']') }
  if (words.accept('(')) return { kind: 'call', name: word, args: list(words, ')') }
  return { kind: 'name', name: word }
}

function list(words: Words, end: string): Expression[] {
  const found = [expression(words)]
  while (words.accept(',')) found.push(expression(words))
  words.expect(end)
  return found
}

function block(words: Words): Statement[] {
  words.expect('{')
  const found: Statement[] = []
  while (!words.accept('}')) {
    found.push(statement(words))
    words.accept(';')
  }
  return found
}

function statement(words: Words): Statement {
  if (words.accept('restart')) return { kind: 'restart' }
  if (words.accept('assert')) {
    words.expect('(')
    const condition = expression(words)
    words.expect(')')
    return { kind: 'assert', condition }
  }
  if (words.accept('if')) {
    words.expect('(')
    const condition = expression(words)
    words.expect(')')
    return { kind: 'if', condition, yes: block(words), no: words.accept('else') ? block(words) : [] }
  }
  if (words.accept('for')) {
    words.expect('(')
    const name = words.take()
    words.expect('in')
    const domain = words.take()
    words.expect(')')
    return { kind: 'for', name, domain, body: block(words) }
  }
  const to = term(words)
  if (to.kind !== 'name' && to.kind !== 'index') words.wrong('something that can be set')
  words.expect('=')
  return { kind: 'assign', to, value: expression(words) }
}

/** @throws Error that says what was expected where */
export function parseStatement(text: string): Statement {
  const words = new Words(text)
  const found = statement(words)
  if (words.next !== undefined) words.wrong('the end')
  return found
}

/** @throws Error that says what was expected where */
export function parseCondition(text: string): Condition {
  const words = new Words(text)
  const kind = words.next
  let over: Condition['over'] = null
  if (kind === 'every' || kind === 'some') {
    words.take()
    const name = words.take()
    words.expect('in')
    over = { kind, name, domain: words.take() }
    words.expect(':')
  }
  const found = expression(words)
  if (words.next !== undefined) words.wrong('the end')
  return { text, over, expression: found }
}
