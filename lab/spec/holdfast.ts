/**
 * Holdfast as a table: who may do what, when, and what it changes. `holdfast.pml` is printed from it, and
 * real programs are held against it step by step, so there is nothing that could say otherwise elsewhere.
 *
 * An enactor knows what it was told and nothing else: between what it is told and what it does, anything
 * can happen, which is what a stall is. It draws no conclusion from the reply to a write, so a lost reply
 * and a lie need no rule; what it sent lands when it lands, perhaps after its own death. Plans say for
 * every name since which plan its answer is what it is; that is what stands in the marker.
 */
import type { Spec } from './spec.ts'

export const holdfast: Spec = {
  name: 'holdfast',
  about: [
    'Holdfast. A stall needs no transition of its own: a process that is not scheduled is held up for as long',
    'as anybody likes, and no step depends on a clock. Replies to writes need none either: no enactor concludes',
    'anything from them. At rest, when nothing more can happen, every name is in the newest plan (L1, L2).',
    '',
    '  ENACTORS PLANS ENDPOINTS              sizes',
    '  CRASHES LOST HANDS                    how many enactors die, writes vanish or come twice, hands meddle',
    '  TORN                                  how often a name changes while it is read in several questions',
    '  SWEEP                                 with the sweep',
    '  SPARSE                                plans do not change every name, and bring new ones',
    '  NO_CONDITION NO_FENCE NO_READBACK NO_CLAIMS NO_ROOTS BY_AGE   without a mechanism',
  ],
  sizes: { ENACTORS: 2, PLANS: 3, ENDPOINTS: 1, CRASHES: 0, LOST: 0, HANDS: 0, TORN: 0 },
  constants: { KEEP: 1, UNREAD: 255 },
  domains: {
    ENACTORS: { from: 0, count: 'ENACTORS', most: 4 },
    PLANS: { from: 1, count: 'PLANS', most: 6 },
    /** As many as plans: none, and all but the last. */
    EARLIER: { from: 0, count: 'PLANS', most: 6 },
    ENDPOINTS: { from: 0, count: 'ENDPOINTS', most: 3 },
  },
  given: {
    /** The generation under which plan `p` has name `e`; 0: it has not. */
    since: {
      params: ['p', 'e'],
      promela: '(p)',
      instead: { SPARSE: '((p) - (((p) + (e) + 1) % 2) * ((p) > 0))' },
    },
    /** How many parents lie between plan `h` and its ancestor `p`. */
    age: { params: ['p', 'h'], promela: '((h) - (p))' },
    /** Whether any plan is there that has name `e` since generation `r`; asked by Spin only. */
    told: {
      params: ['r', 'e'],
      promela: 'plan[r]',
      instead: { SPARSE: '(plan[r] || ((r) < PLANS && plan[(r) + 1] && since((r) + 1, e) == (r)))' },
    },
  },
  shared: {
    head: { type: 'byte' },
    plan: { type: 'bool', of: ['PLANS'], what: 'whether it is there, whole' },
    record: { type: 'byte', of: ['ENDPOINTS'], what: 'the generation in the marker, 0 for none' },
    wrong: {
      type: 'byte',
      of: ['ENDPOINTS'],
      what: '0 if exactly what that generation says stands there; else which other thing',
    },
    claim: { type: 'byte', of: ['ENACTORS'] },
    settled: {
      type: 'bool',
      of: ['ENACTORS'],
      what: 'whether the claim stands since before head was moved last: then the sweep has to see it',
    },
    enacted: { type: 'byte', of: ['ENACTORS'] },
    sent: {
      type: 'byte',
      of: ['ENACTORS', 'ENDPOINTS'],
      what: 'a write on its way, 0 for none, and what it must find',
    },
    onto: { type: 'byte', of: ['ENACTORS', 'ENDPOINTS'] },
    ontoWrong: { type: 'byte', of: ['ENACTORS', 'ENDPOINTS'] },
    noRoom: { type: 'bool', what: 'whether the store takes nothing' },
    crashes: { type: 'byte', start: 'CRASHES' },
    lost: { type: 'byte', start: 'LOST' },
    hands: { type: 'byte', start: 'HANDS' },
    torn: { type: 'byte', start: 'TORN' },
  },
  processes: [
    {
      name: 'planner',
      what: 'The planner: publishes on top of the head that it read, or not at all',
      count: 1,
      own: { base: { type: 'byte', what: 'the head that its next plan is made from' } },
      actions: [
        { name: 'looks', what: 'reads head', guard: [], spin: ['base != head'], effect: ['base = head'] },
        {
          name: 'publishes',
          what: 'one transaction: the plan whole, and head, if head is still what was read',
          params: { g: 'PLANS' },
          guard: [
            '!noRoom',
            'base == head',
            'g > head',
            'every e in ENDPOINTS: since(g, e) <= g',
            // It holds on to every name, as far as it can read what it goes on from.
            'every e in ENDPOINTS: since(g, e) >= since(head, e) || !plan[head]',
          ],
          spin: ['g == head + 1'],
          effect: ['plan[g] = 1', 'for (i in ENACTORS) { settled[i] = claim[i] > 0 }', 'head = g'],
        },
      ],
    },
    {
      name: 'enactor',
      what: 'An enactor: makes DNS answer the newest plan, beside any number of others',
      count: 'ENACTORS',
      own: {
        seen: { type: 'byte', what: 'the head, as it was told last' },
        working: { type: 'byte', what: 'the plan that it set out to work from' },
        loaded: { type: 'byte', what: 'the plan that it read after that' },
        found: { type: 'byte', of: ['ENDPOINTS'], start: 'UNREAD', what: 'what it takes to stand at the name' },
        foundWrong: { type: 'byte', of: ['ENDPOINTS'] },
        may: {
          type: 'byte',
          of: ['ENDPOINTS'],
          what: 'the plan that was head after the name was read or written last',
        },
        best: { type: 'byte', of: ['ENDPOINTS'], what: 'the newest that it read there' },
        said: { type: 'byte', what: 'how far it said that it is, in this life or in one before' },
      },
      actions: [
        { name: 'hears', what: 'reads head', guard: ['head > 0'], spin: ['seen != head'], effect: ['seen = head'] },
        {
          name: 'claims',
          what: 'says which plan it is about to work from, one that it heard to be head, perhaps a while ago',
          params: { g: 'PLANS' },
          guard: ['!noRoom', 'g <= seen', 'g >= working'],
          spin: ['claim[me] != g || working != g'],
          effect: ['claim[me] = g', 'settled[me] = 0', 'working = g'],
        },
        {
          name: 'proceeds',
          what: 'without a claim, where the store takes nothing: then it is not swept either',
          params: { g: 'PLANS' },
          guard: ['noRoom', 'g <= seen', 'g >= working'],
          spin: ['working != g'],
          effect: ['working = g'],
        },
        {
          name: 'loads',
          what: 'reads the plan that it claimed; one that was swept is superseded',
          guard: ['working > 0', 'plan[working]'],
          spin: ['loaded != working'],
          effect: ['loaded = working'],
        },
        {
          name: 'reads',
          what: 'asks the authority itself what stands at a name',
          params: { e: 'ENDPOINTS' },
          guard: ['loaded > 0'],
          spin: ['found[e] != record[e] || foundWrong[e] != wrong[e]'],
          effect: [
            'found[e] = record[e]',
            'foundWrong[e] = wrong[e]',
            'may[e] = 0',
            'if (record[e] > best[e]) { best[e] = record[e] }',
          ],
        },
        {
          name: 'glimpses',
          what: 'the same in several questions: the marker of one instant, the records of another',
          params: { e: 'ENDPOINTS', r: 'EARLIER', w: 1 },
          guard: ['loaded > 0', 'r <= record[e]', 'w > 0'],
          spin: ['torn > 0', 'foundWrong[e] == 0'],
          effect: ['found[e] = r', 'foundWrong[e] = w', 'may[e] = 0', 'torn = torn - 1'],
        },
        {
          name: 'assumes',
          what: 'takes for granted what an earlier plan said of a name: the condition of the write finds out',
          params: { e: 'ENDPOINTS', p: 'EARLIER' },
          guard: ['p < loaded'],
          spin: ['found[e] == UNREAD', 'since(p, e) < since(loaded, e)'],
          effect: ['found[e] = since(p, e)', 'foundWrong[e] = 0'],
        },
        {
          name: 'asks',
          what: 'reads head again: whether its plan is still the newest',
          params: { e: 'ENDPOINTS' },
          guard: ['head > 0', 'loaded >= head'],
          spin: ['may[e] != head', 'found[e] != UNREAD', 'found[e] != since(loaded, e) || foundWrong[e] > 0'],
          effect: ['may[e] = head'],
        },
        {
          name: 'sends',
          what: 'asks the authority to replace exactly what it found by what its plan says, together with the marker',
          params: { e: 'ENDPOINTS' },
          guard: [
            'may[e] > 0',
            'found[e] != UNREAD',
            'found[e] < since(may[e], e) || (found[e] == since(may[e], e) && foundWrong[e] > 0)',
          ],
          spin: ['sent[me, e] == 0'],
          effect: [
            'sent[me, e] = since(may[e], e)',
            'onto[me, e] = found[e]',
            'ontoWrong[me, e] = foundWrong[e]',
            'found[e] = UNREAD',
            'foundWrong[e] = 0',
            'may[e] = 0',
          ],
          instead: {
            NO_FENCE: { guard: ['may[e] > 0', 'found[e] != UNREAD', 'found[e] != since(loaded, e)'] },
            NO_READBACK: {
              effect: [
                'sent[me, e] = since(may[e], e)',
                'onto[me, e] = found[e]',
                'ontoWrong[me, e] = foundWrong[e]',
                'found[e] = since(may[e], e)',
                'foundWrong[e] = 0',
                'best[e] = found[e]',
              ],
            },
          },
        },
        {
          name: 'recalls',
          what: 'reads what it said before: what was once true stays true',
          guard: [],
          spin: ['said < enacted[me]'],
          effect: ['said = enacted[me]'],
        },
        {
          name: 'says',
          what: 'how far it is: it read every name in that plan or a newer one',
          params: { g: 'PLANS' },
          guard: ['!noRoom', 'g <= loaded', 'every e in ENDPOINTS: best[e] >= since(g, e) || g == said'],
          spin: ['g == loaded', 'enacted[me] != g'],
          effect: [
            'enacted[me] = g',
            'said = g',
            'for (e in ENDPOINTS) { assert(wrong[e] > 0 || record[e] >= since(g, e) || HANDS > 0) }',
          ],
        },
        {
          name: 'crashes',
          what: 'dies and starts again, knowing nothing; what it sent is on its way all the same',
          guard: [],
          spin: ['crashes > 0'],
          effect: ['crashes = crashes - 1', 'restart'],
        },
      ],
    },
    {
      name: 'authority',
      what: 'The authority: carries out what enactors sent',
      count: 1,
      own: {},
      actions: [
        {
          name: 'lands',
          what: 'replaces what stands there, if it is what was expected',
          params: { i: 'ENACTORS', e: 'ENDPOINTS' },
          guard: ['sent[i, e] > 0'],
          effect: [
            `if (record[e] == onto[i, e] && wrong[e] == ontoWrong[i, e]) {
              assert(sent[i, e] >= record[e]);
              record[e] = sent[i, e];
              wrong[e] = 0
            }`,
            'sent[i, e] = 0',
          ],
          instead: {
            NO_CONDITION: {
              effect: ['assert(sent[i, e] >= record[e])', 'record[e] = sent[i, e]', 'wrong[e] = 0', 'sent[i, e] = 0'],
            },
          },
        },
        {
          name: 'repeats',
          what: 'carries out the same once more, if it finds what was expected once more',
          params: { i: 'ENACTORS', e: 'ENDPOINTS' },
          guard: ['sent[i, e] > 0'],
          spin: ['lost > 0'],
          effect: [
            `if (record[e] == onto[i, e] && wrong[e] == ontoWrong[i, e]) {
              record[e] = sent[i, e];
              wrong[e] = 0
            }`,
            'lost = lost - 1',
          ],
        },
        {
          name: 'loses',
          what: 'a write that never arrives, or is accepted and not carried out',
          params: { i: 'ENACTORS', e: 'ENDPOINTS' },
          guard: ['sent[i, e] > 0'],
          spin: ['lost > 0'],
          effect: ['sent[i, e] = 0', 'lost = lost - 1'],
        },
      ],
    },
    {
      name: 'hand',
      what: 'A hand: somebody who knows nothing of Holdfast',
      count: 1,
      only: 'HANDS',
      own: {},
      actions: [
        {
          name: 'edits',
          what: 'puts any marker there, or none, with anything beside it',
          params: { e: 'ENDPOINTS', g: 'EARLIER', w: 1 },
          guard: [],
          spin: ['hands > 0'],
          effect: ['record[e] = g', 'wrong[e] = w', 'hands = hands - 1'],
        },
        {
          name: 'damages',
          what: 'deletes a plan',
          params: { p: 'PLANS' },
          guard: [],
          spin: ['hands > 0', 'p < head', 'plan[p]'],
          effect: ['plan[p] = 0', 'hands = hands - 1'],
        },
        {
          name: 'forges',
          what: 'puts anything in place of what an enactor said, or takes it away',
          params: { i: 'ENACTORS', c: 0, g: 0 },
          guard: [],
          spin: ['hands > 0', 'enacted[i] > 0'],
          effect: ['claim[i] = c', 'settled[i] = 0', 'enacted[i] = g', 'hands = hands - 1'],
        },
        {
          name: 'fills',
          what: 'the disk of the store',
          guard: ['!noRoom'],
          spin: ['hands > 0'],
          effect: ['noRoom = 1', 'hands = hands - 1'],
        },
        { name: 'clears', what: 'it again', guard: ['noRoom'], effect: ['noRoom = 0'] },
      ],
    },
    {
      name: 'sweep',
      what: 'The sweep: deletes plans that nothing can refer to any more',
      count: 1,
      only: 'SWEEP',
      own: {
        base: { type: 'byte', what: 'the head that it read, first of all' },
        top: { type: 'byte', what: 'the newest plan that anybody says is published everywhere' },
        knowsClaims: { type: 'bool' },
        knowsEnacted: { type: 'bool' },
        spared: { type: 'bool', of: ['PLANS'], what: 'head, its last ancestors, and what is claimed' },
      },
      actions: [
        {
          name: 'looks',
          what: 'reads head, and begins anew',
          guard: ['head > 0'],
          spin: ['some i in ENACTORS: base != head || (knowsEnacted && enacted[i] > top)'],
          effect: [
            'base = head',
            'top = 0',
            'knowsClaims = 0',
            'knowsEnacted = 0',
            'for (p in PLANS) { spared[p] = age(p, head) <= KEEP }',
          ],
        },
        {
          name: 'counts',
          what: 'reads all claims',
          guard: ['base > 0'],
          spin: ['!knowsClaims'],
          effect: ['for (i in ENACTORS) { if (claim[i] > 0) { spared[claim[i]] = 1 } }', 'knowsClaims = 1'],
          instead: { NO_CLAIMS: { effect: ['knowsClaims = 1'] } },
        },
        {
          name: 'asks',
          what: 'reads how far all enactors are',
          guard: ['base > 0'],
          spin: ['!knowsEnacted'],
          effect: ['for (i in ENACTORS) { if (enacted[i] > top) { top = enacted[i] } }', 'knowsEnacted = 1'],
          instead: { NO_ROOTS: { effect: ['top = PLANS', 'knowsEnacted = 1'] } },
        },
        {
          name: 'deletes',
          what: 'a plan, if head has not moved since it was read',
          params: { p: 'PLANS' },
          guard: ['!noRoom', 'base == head', 'knowsClaims', 'knowsEnacted', 'p < base', 'p < top', '!spared[p]'],
          spin: ['plan[p]'],
          effect: [
            'plan[p] = 0',
            'assert(age(p, head) > KEEP)',
            'for (i in ENACTORS) { assert(!(settled[i] && claim[i] == p)) }',
            'for (e in ENDPOINTS) { assert(record[e] == 0 || wrong[e] > 0 || told(record[e], e)) }',
          ],
          instead: { BY_AGE: { guard: ['base == head', 'p < base'] } },
        },
      ],
    },
  ],
  atRest: [
    'head == PLANS',
    'every e in ENDPOINTS: record[e] > since(head, e) || (record[e] == since(head, e) && wrong[e] == 0)',
  ],
}
