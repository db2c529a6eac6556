/**
 * The protocol of October 2025 as a table: a lock that whoever saw it last may take, trees that are built, made live
 * and cleaned up by age, and a rollback record that is set in the same transaction to what was live, which
 * has to exist. The lab's classic programs are held against it; Spin finds what history found.
 */
import type { Spec } from './spec.ts'

export const classic: Spec = {
  name: 'classic',
  about: [
    'The protocol of October 2025 at one name: a root points at the tree of a plan; whoever saw the lock last',
    'may take it; what is much older than what was just made live is cleaned up, and whoever is stale was asked once.',
    '',
    '  ENACTORS PLANS                        sizes',
  ],
  sizes: { ENACTORS: 2, PLANS: 3 },
  constants: { KEEP: 1, LOOKS: 0, STALE: 1, BUILDS: 2, READS: 3, MOVES: 4, CLEANS: 5 },
  domains: { PLANS: { from: 1, count: 'PLANS', most: 6 }, ENACTORS: { from: 0, count: 'ENACTORS', most: 4 } },
  given: {},
  shared: {
    filed: { type: 'byte', what: 'the newest plan' },
    tree: { type: 'bool', of: ['PLANS'] },
    root: { type: 'byte', what: 'the plan whose tree it points at, 0 for none' },
    rollback: { type: 'byte' },
    lock: { type: 'byte', what: 'who took it and when, as a number of its own; 0 for nobody' },
  },
  processes: [
    {
      name: 'planner',
      what: 'The planner: files plan after plan',
      count: 1,
      own: {},
      actions: [
        { name: 'files', what: 'the next one', guard: [], spin: ['filed < PLANS'], effect: ['filed = filed + 1'] },
      ],
    },
    {
      name: 'enactor',
      what: 'An enactor: one run for each plan that it looks up',
      count: 'ENACTORS',
      own: {
        at: { type: 'byte', what: 'what it does next' },
        mine: { type: 'byte', what: 'the plan of this run' },
        done: { type: 'byte' },
        held: { type: 'byte', what: 'the lock, as it read it' },
        live: { type: 'byte', what: 'the root, as it read it' },
      },
      actions: [
        {
          name: 'looks',
          what: 'for the newest plan',
          guard: ['at == LOOKS', 'filed > done'],
          effect: ['mine = filed', 'at = STALE'],
        },
        {
          name: 'judges',
          what: 'whether its plan is stale: once',
          guard: ['at == STALE'],
          effect: ['if (root > mine) { done = mine; at = LOOKS } else { at = BUILDS }'],
        },
        {
          name: 'builds',
          what: 'the tree of its plan beside the live one',
          guard: ['at == BUILDS', '!tree[mine]'],
          effect: ['tree[mine] = 1', 'at = READS'],
        },
        {
          name: 'finds',
          what: 'that somebody has built it',
          guard: ['at == BUILDS', 'tree[mine]'],
          effect: ['at = READS'],
        },
        {
          name: 'fails',
          what: 'to build it, because somebody cleans it up in the meantime',
          guard: ['at == BUILDS'],
          spin: ['mine + KEEP < filed'],
          effect: ['at = LOOKS'],
        },
        {
          name: 'reads',
          what: 'lock and root',
          guard: ['at == READS'],
          effect: ['held = lock', 'live = root', 'if (root == mine) { at = CLEANS } else { at = MOVES }'],
        },
        {
          name: 'loses',
          what: 'the lock was taken: backs off, and tries the same plan again',
          guard: ['at == MOVES', 'lock != held'],
          effect: ['at = READS'],
        },
        {
          name: 'breaks',
          what: 'the batch is refused, since the tree that was live is gone, or its own',
          guard: ['at == MOVES', 'lock == held', 'root != live || (live > 0 && !tree[live]) || !tree[mine]'],
          effect: ['at = LOOKS'],
        },
        {
          name: 'moves',
          what: 'lock, rollback record and root in one batch',
          guard: ['at == MOVES', 'lock == held', 'root == live', 'live == 0 || tree[live]', 'tree[mine]'],
          effect: ['lock = lock + 1', 'rollback = live', 'root = mine', 'at = CLEANS'],
        },
        {
          name: 'cleans',
          what: 'a tree of a plan much older than its own',
          params: { p: 'PLANS' },
          guard: ['at == CLEANS', 'p + KEEP < mine'],
          spin: ['tree[p]'],
          effect: ['tree[p] = 0', 'assert(root == 0 || tree[root])'],
        },
        {
          name: 'finishes',
          what: 'its run',
          guard: ['at == CLEANS'],
          effect: ['done = mine', 'at = LOOKS'],
        },
      ],
    },
  ],
  atRest: [],
}
