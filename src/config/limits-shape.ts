/** The shape of a pool's `limits`: how far and how fast automation may take capacity away. */
import { duration, number, share, table } from './fields.ts'

const evacuation = table('when a whole site may be taken out: { failing, othersFailing, … }', {
  failing: share('failing')
    .default(0.8)
    .describe('At least this share of the site fails, as probers in two other sites see it.'),
  othersFailing: share('othersFailing').default(0.1).describe('At most this share of any other site fails.'),
  headroom: number('headroom, from 1 to 100', 1, 100)
    .default(1.1)
    .describe('What is left carries so many times the demand; where no demand is known, the floor must be kept.'),
  every: duration('every').default('10m').describe('Automation takes out at most one site in this time.'),
  healthy: share('healthy').default(0.95).describe('It comes back, in three steps, once this share of it passes …'),
  healthyFor: duration('healthyFor').default('2m').describe('… for so long.'),
})

export const limits = table('limits', {
  poolBudget: share('poolBudget')
    .default(0.05)
    .describe('In any window, removals take at most this share of the pool, or one target if that is more.'),
  siteBudget: share('siteBudget').default(0.1).describe('The same within one site.'),
  window: duration('window').default('60s').describe('The window of both budgets.'),
  floor: share('floor')
    .default(0.7)
    .describe('The answer never falls under this share of the pool; one target may always go while half stays.'),
  utilization: number('utilization, from 0.01 to 1', 0.01, 1)
    .default(0.8)
    .describe('Targets are meant to be used up to this part of their capacity: nobody leaves whom the demand needs.'),
  failOpenUnder: share('failOpenUnder')
    .default(0.5)
    .describe('Under this share of healthy capacity the checks are not believed: everybody answers.'),
  failOpenUntil: share('failOpenUntil').default(0.6).describe('From this share on they are believed again.'),
  failOpenDwell: duration('failOpenDwell').default('30s').describe('Neither changes again sooner than this.'),
  correlation: share('correlation')
    .default(0.3)
    .describe('When this share of a pool or site, and three targets, go down together, removals there stop.'),
  correlationWindow: duration('correlationWindow')
    .optional()
    .describe('Together means: within this time. 10s if absent, or two intervals if that is more.'),
  undo: duration('undo')
    .optional()
    .describe(
      'They stop for so long, and those of the last time of this length are taken back. 2m if absent, or correlationWindow if that is more.',
    ),
  muteOver: share('muteOver')
    .default(0.3)
    .describe('A prober that sees so much more of the pool fail than probers do in the median is not listened to.'),
  blindUnder: share('blindUnder')
    .default(0.5)
    .describe('Nobody is removed while anything fresh is known of less than this share of the targets.'),
  evacuation: evacuation.prefault({}).describe('When a whole site may be taken out at once.'),
})
