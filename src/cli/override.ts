/** What all commands that instruct the planner share: author, reason, expiry, waiting, and the way back. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Override, OverrideAction } from '../model/override.ts'
import type { PlanHead, Reason } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { type Cli, currentUser, durationArgument, type Output } from './cli.ts'
import { awaitEffect, type Effect, giveOverride, instructionText, takeBack, type Wanted } from './effect.ts'
import { exit } from './exit.ts'
import { forecast, refuseIfImpossible } from './forecast.ts'
import { usage } from './io.ts'
import { describe, type ForecastDocument } from './plan.ts'
import { readHeadPlan } from './read.ts'
import { durationText, timeText } from './text.ts'

export interface OverrideOptions {
  readonly author?: string
  readonly reason: string
  readonly for?: number
  readonly until?: number
  readonly break?: readonly string[]
  readonly wait: number | boolean
  readonly dryRun?: boolean
}

/** Options of a command that gives an override. */
export function givingOptions(command: Command, rules: readonly string[] = []): Command {
  command
    .requiredOption('--reason <text>', 'why; it is kept with the override and shown wherever it has an effect')
    .option('--author <name>', 'who says so (default: $USER)')
    .addOption(
      new Option('--for <time>', 'how long it holds, such as 30m or 2h').argParser(durationArgument).conflicts('until'),
    )
    .addOption(new Option('--until <when>', 'when it ends, such as 2030-01-31T18:00:00Z').argParser(whenArgument))
  if (rules.length > 0)
    command.addOption(
      new Option('--break <rule>', 'a safety rule that it may break; a refusal names it').argParser(
        (rule: string, before: readonly string[] = []) => {
          if (rules.includes(rule)) return [...before, rule]
          throw new InvalidArgumentError(`expected ${rules.join(' or ')}.`)
        },
      ),
    )
  return waitingOptions(command)
}

/** Options of every command that changes something. */
export function waitingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--wait <time>', 'wait at most this long for it to be enacted')
        .argParser(durationArgument)
        .default(30_000, '30s'),
    )
    .option('--no-wait', 'return as soon as it is written')
    .option('--dry-run', 'say what it would do, write nothing')
}

export function whenArgument(text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new InvalidArgumentError('expected a date and time such as 2030-01-31T18:00:00Z.')
  return at
}

export function overrideOf(cli: Cli, action: OverrideAction, options: OverrideOptions): Override {
  const now = Date.now()
  if (options.reason.trim() === '') usage('--reason', 'a sentence', 'nothing', 'say why: others will read it')
  const expires = options.until ?? (options.for === undefined ? null : now + options.for)
  if (expires !== null && expires <= now)
    usage(
      '--until',
      'a time to come',
      timeText(expires),
      'give a later time, or leave it out: then it holds until taken back',
    )
  return {
    action,
    author: options.author ?? currentUser(cli.io.env),
    reason: options.reason.trim(),
    at: now as EpochMs,
    expires: expires as EpochMs | null,
    breaks: options.break ?? [],
  }
}

export interface Instruction {
  readonly action: OverrideAction
  /** Null to take back what stands there. */
  readonly override: Override | null
  readonly options: Pick<OverrideOptions, 'wait' | 'dryRun'>
  /** Does a plan carry it out? `undefined`: it has no plan of its own to wait for (a freeze). */
  readonly planned?: Wanted['planned']
  /** Given the plan that is expected to follow: why it would not carry this out for now, and what would help. */
  readonly held?: (plan: PlanHead) => string | null
  /** The exact command that takes it back, or null where nothing does. */
  readonly undo: string | null
  /** In one sentence, for people: "web/east is out of every answer". */
  readonly means: string
}

export interface InstructionResult {
  /** `nothing`: there was nothing to take back. */
  readonly outcome: 'enacted' | 'in force' | 'pending' | 'dry run' | 'nothing'
  readonly action: OverrideAction
  readonly override: Override | null
  readonly replaced: Override | null
  readonly generation: number | null
  readonly blocked: readonly string[]
  readonly undo: string | null
  readonly why: string | null
  /** Of a dry run: what would be published. */
  readonly forecast?: ForecastDocument
}

/** Writes it, waits, prints, and sets the exit code. */
export async function carryOut(
  cli: Cli,
  output: Output,
  policy: Policy,
  store: Store,
  instruction: Instruction,
): Promise<void> {
  const { action, override, options, undo } = instruction
  const base = { action, override, undo, blocked: [], why: null, generation: null, replaced: null }
  const what = instructionText(action)
  const expected = await forecast(store, policy, override === null ? { takeBack: action } : { give: override })
  if (override !== null) refuseIfImpossible(expected, override)
  if (options.dryRun === true) {
    const { document, text } = describe(expected, 20, output)
    output.print({ ...base, outcome: 'dry run', forecast: document } satisfies InstructionResult, () =>
      [`dry run, nothing was written: ${override === null ? 'taking back' : 'giving'} "${what}"`, text].join('\n'),
    )
    return
  }
  const before = override === null ? await takeBack(store, action) : await giveOverride(store, override)
  if (override === null && before === null) {
    const result: InstructionResult = { ...base, outcome: 'nothing' }
    output.print(result, () => `nothing to take back: there is no override "${what}"`)
    return
  }
  output.note(override === null ? `taken back: ${what}` : `written: ${what}${expiryText(override)}`)
  let effect: Effect | null = null
  const next =
    expected.decided.kind === 'plan' ? expected.decided.head : await unchanged(store, expected.decided.reasons)
  const held = next === undefined ? null : (instruction.held?.(next) ?? null)
  if (held !== null) effect = { kind: 'pending', generation: next?.generation ?? null, why: held }
  else if (options.wait !== false && instruction.planned !== undefined) {
    const waitMs = typeof options.wait === 'number' ? options.wait : 30_000
    effect = await awaitEffect(store, {
      planned: instruction.planned,
      waitMs,
      progress: (text) => output.note(`  ${text}`),
    })
  }
  const result: InstructionResult = {
    ...base,
    outcome: effect === null ? 'in force' : effect.kind === 'enacted' ? 'enacted' : 'pending',
    replaced: override === null ? null : before,
    generation: effect?.generation ?? null,
    blocked: effect?.kind === 'enacted' ? effect.blocked : [],
    why: effect?.kind === 'pending' ? effect.why : null,
  }
  output.print(result, () =>
    [
      effect === null
        ? instruction.planned === undefined
          ? `in force: ${instruction.means}`
          : 'in force; not waited for: holdfast status shows when it is enacted'
        : effect.kind === 'enacted'
          ? `generation ${effect.generation}, enacted by ${effect.by}: ${instruction.means}`
          : held !== null
            ? `in force, but it has to wait: ${held}`
            : `written, but not enacted within ${durationText(typeof options.wait === 'number' ? options.wait : 30_000)}: ${effect.why}`,
      ...result.blocked.map((text) => `  blocked  ${text}`),
      ...(undo === null ? [] : [`undo: ${undo}`]),
    ].join('\n'),
  )
  if (effect?.kind === 'pending') cli.exitCode = exit.pending
}

/** What stays published, with what is to be said about it now. */
async function unchanged(store: Store, reasons: readonly Reason[]): Promise<PlanHead | undefined> {
  const head = await readHeadPlan(store)
  return head === undefined ? undefined : { ...head, reasons }
}

function expiryText(override: Override): string {
  if (override.action.kind === 'retire') return ''
  return override.expires === null
    ? ' (holds until taken back)'
    : ` (holds until ${timeText(override.expires)}, for ${durationText(override.expires - override.at)})`
}
