/*
 * Holdfast. A stall needs no transition of its own: a process that is not scheduled is held up for as long
 * as anybody likes, and no step depends on a clock. Replies to writes need none either: no enactor concludes
 * anything from them. At rest, when nothing more can happen, every name is in the newest plan (L1, L2).
 *
 *   ENACTORS PLANS ENDPOINTS              sizes
 *   CRASHES LOST HANDS                    how many enactors die, writes vanish or come twice, hands meddle
 *   TORN                                  how often a name changes while it is read in several questions
 *   SWEEP                                 with the sweep
 *   SPARSE                                plans do not change every name, and bring new ones
 *   NO_CONDITION NO_FENCE NO_READBACK NO_CLAIMS NO_ROOTS BY_AGE   without a mechanism
 *
 * Printed from lab/spec/holdfast.ts: edit that, and run HOLDFAST_WRITE_SPEC=1 vitest run lab/spec.
 */
#ifndef ENACTORS
#define ENACTORS 2
#endif
#ifndef PLANS
#define PLANS 3
#endif
#ifndef ENDPOINTS
#define ENDPOINTS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LOST
#define LOST 0
#endif
#ifndef HANDS
#define HANDS 0
#endif
#ifndef TORN
#define TORN 0
#endif
#define KEEP 1
#define UNREAD 255
#if defined(SPARSE)
#define since(p, e) ((p) - (((p) + (e) + 1) % 2) * ((p) > 0))
#else
#define since(p, e) (p)
#endif
#define age(p, h) ((h) - (p))
#if defined(SPARSE)
#define told(r, e) (plan[r] || ((r) < PLANS && plan[(r) + 1] && since((r) + 1, e) == (r)))
#else
#define told(r, e) plan[r]
#endif
#define at(i, e) ((i) * ENDPOINTS + (e))
#if ENDPOINTS == 1
#define EVERY_ENDPOINTS(M) (M(0))
#elif ENDPOINTS == 2
#define EVERY_ENDPOINTS(M) (M(0) && M(1))
#elif ENDPOINTS == 3
#define EVERY_ENDPOINTS(M) (M(0) && M(1) && M(2))
#else
#error "ENDPOINTS from 1 to 3"
#endif
#if ENDPOINTS == 1
#define EVERY_ENDPOINTS_OF(M, a) (M(a, 0))
#elif ENDPOINTS == 2
#define EVERY_ENDPOINTS_OF(M, a) (M(a, 0) && M(a, 1))
#elif ENDPOINTS == 3
#define EVERY_ENDPOINTS_OF(M, a) (M(a, 0) && M(a, 1) && M(a, 2))
#else
#error "ENDPOINTS from 1 to 3"
#endif
#if PLANS == 1
#define FOR_EARLIER_OF(M, a) M(a, 0)
#elif PLANS == 2
#define FOR_EARLIER_OF(M, a) M(a, 0) M(a, 1)
#elif PLANS == 3
#define FOR_EARLIER_OF(M, a) M(a, 0) M(a, 1) M(a, 2)
#elif PLANS == 4
#define FOR_EARLIER_OF(M, a) M(a, 0) M(a, 1) M(a, 2) M(a, 3)
#elif PLANS == 5
#define FOR_EARLIER_OF(M, a) M(a, 0) M(a, 1) M(a, 2) M(a, 3) M(a, 4)
#elif PLANS == 6
#define FOR_EARLIER_OF(M, a) M(a, 0) M(a, 1) M(a, 2) M(a, 3) M(a, 4) M(a, 5)
#else
#error "PLANS from 1 to 6"
#endif
#if ENACTORS == 1
#define FOR_ENACTORS(M) M(0)
#elif ENACTORS == 2
#define FOR_ENACTORS(M) M(0) M(1)
#elif ENACTORS == 3
#define FOR_ENACTORS(M) M(0) M(1) M(2)
#elif ENACTORS == 4
#define FOR_ENACTORS(M) M(0) M(1) M(2) M(3)
#else
#error "ENACTORS from 1 to 4"
#endif
#if ENDPOINTS == 1
#define FOR_ENDPOINTS(M) M(0)
#elif ENDPOINTS == 2
#define FOR_ENDPOINTS(M) M(0) M(1)
#elif ENDPOINTS == 3
#define FOR_ENDPOINTS(M) M(0) M(1) M(2)
#else
#error "ENDPOINTS from 1 to 3"
#endif
#if ENDPOINTS == 1
#define FOR_ENDPOINTS_OF(M, a) M(a, 0)
#elif ENDPOINTS == 2
#define FOR_ENDPOINTS_OF(M, a) M(a, 0) M(a, 1)
#elif ENDPOINTS == 3
#define FOR_ENDPOINTS_OF(M, a) M(a, 0) M(a, 1) M(a, 2)
#else
#error "ENDPOINTS from 1 to 3"
#endif
#if PLANS == 1
#define FOR_PLANS(M) M(1)
#elif PLANS == 2
#define FOR_PLANS(M) M(1) M(2)
#elif PLANS == 3
#define FOR_PLANS(M) M(1) M(2) M(3)
#elif PLANS == 4
#define FOR_PLANS(M) M(1) M(2) M(3) M(4)
#elif PLANS == 5
#define FOR_PLANS(M) M(1) M(2) M(3) M(4) M(5)
#elif PLANS == 6
#define FOR_PLANS(M) M(1) M(2) M(3) M(4) M(5) M(6)
#else
#error "PLANS from 1 to 6"
#endif
#if ENACTORS == 1
#define SOME_ENACTORS(M) (M(0))
#elif ENACTORS == 2
#define SOME_ENACTORS(M) (M(0) || M(1))
#elif ENACTORS == 3
#define SOME_ENACTORS(M) (M(0) || M(1) || M(2))
#elif ENACTORS == 4
#define SOME_ENACTORS(M) (M(0) || M(1) || M(2) || M(3))
#else
#error "ENACTORS from 1 to 4"
#endif

byte head;
bool plan[PLANS + 1];  /* whether it is there, whole */
byte record[ENDPOINTS];  /* the generation in the marker, 0 for none */
byte wrong[ENDPOINTS];  /* 0 if exactly what that generation says stands there; else which other thing */
byte claim[ENACTORS];
bool settled[ENACTORS];  /* whether the claim stands since before head was moved last: then the sweep has to see it */
byte enacted[ENACTORS];
byte sent[ENACTORS * ENDPOINTS];  /* a write on its way, 0 for none, and what it must find */
byte onto[ENACTORS * ENDPOINTS];
byte ontoWrong[ENACTORS * ENDPOINTS];
bool noRoom;  /* whether the store takes nothing */
byte crashes = CRASHES;
byte lost = LOST;
byte hands = HANDS;
byte torn = TORN;

/* The planner: publishes on top of the head that it read, or not at all. */

/* reads head */
#define PLANNER_LOOKS \
  :: d_step { base != head -> \
       base = head }

/* one transaction: the plan whole, and head, if head is still what was read */
#define PLANNER_PUBLISHES_3(g, e) (since(g, e) <= g)
#define PLANNER_PUBLISHES_4(g, e) (since(g, e) >= since(head, e) || !plan[head])
#define PLANNER_PUBLISHES(g) \
  :: d_step { !noRoom && base == head && g > head && EVERY_ENDPOINTS_OF(PLANNER_PUBLISHES_3, g) && EVERY_ENDPOINTS_OF(PLANNER_PUBLISHES_4, g) && g == head + 1 -> \
       plan[g] = 1; \
       i = 0; do :: i < ENACTORS -> settled[i] = claim[i] > 0; i++ :: else -> break od; i = 0; \
       head = g }
active proctype planner() {
  byte base;  /* the head that its next plan is made from */
  byte i;
end:
  do
  PLANNER_LOOKS
  FOR_PLANS(PLANNER_PUBLISHES)
  od
}

/* An enactor: makes DNS answer the newest plan, beside any number of others. */

/* reads head */
#define ENACTOR_HEARS \
  :: d_step { head > 0 && seen != head -> \
       seen = head }

/* says which plan it is about to work from, one that it heard to be head, perhaps a while ago */
#define ENACTOR_CLAIMS(g) \
  :: d_step { !noRoom && g <= seen && g >= working && (claim[me] != g || working != g) -> \
       claim[me] = g; \
       settled[me] = 0; \
       working = g }

/* without a claim, where the store takes nothing: then it is not swept either */
#define ENACTOR_PROCEEDS(g) \
  :: d_step { noRoom && g <= seen && g >= working && working != g -> \
       working = g }

/* reads the plan that it claimed; one that was swept is superseded */
#define ENACTOR_LOADS \
  :: d_step { working > 0 && plan[working] && loaded != working -> \
       loaded = working }

/* asks the authority itself what stands at a name */
#define ENACTOR_READS(e) \
  :: d_step { loaded > 0 && (found[e] != record[e] || foundWrong[e] != wrong[e]) -> \
       found[e] = record[e]; \
       foundWrong[e] = wrong[e]; \
       may[e] = 0; \
       if :: record[e] > best[e] -> best[e] = record[e] :: else -> skip fi }

/* the same in several questions: the marker of one instant, the records of another */
#define ENACTOR_GLIMPSES(e, r, w) \
  :: d_step { loaded > 0 && r <= record[e] && w > 0 && torn > 0 && foundWrong[e] == 0 -> \
       found[e] = r; \
       foundWrong[e] = w; \
       may[e] = 0; \
       torn = torn - 1 }
#define ENACTOR_GLIMPSES_TRIED(e, r) ENACTOR_GLIMPSES(e, r, 1)
#define ENACTOR_GLIMPSES_AT(e) FOR_EARLIER_OF(ENACTOR_GLIMPSES_TRIED, e)

/* takes for granted what an earlier plan said of a name: the condition of the write finds out */
#define ENACTOR_ASSUMES(e, p) \
  :: d_step { p < loaded && found[e] == UNREAD && since(p, e) < since(loaded, e) -> \
       found[e] = since(p, e); \
       foundWrong[e] = 0 }
#define ENACTOR_ASSUMES_AT(e) FOR_EARLIER_OF(ENACTOR_ASSUMES, e)

/* reads head again: whether its plan is still the newest */
#define ENACTOR_ASKS(e) \
  :: d_step { head > 0 && loaded >= head && may[e] != head && found[e] != UNREAD && (found[e] != since(loaded, e) || foundWrong[e] > 0) -> \
       may[e] = head }

/* asks the authority to replace exactly what it found by what its plan says, together with the marker */
#if defined(NO_FENCE)
#define ENACTOR_SENDS(e) \
  :: d_step { may[e] > 0 && found[e] != UNREAD && found[e] != since(loaded, e) && sent[at(me, e)] == 0 -> \
       sent[at(me, e)] = since(may[e], e); \
       onto[at(me, e)] = found[e]; \
       ontoWrong[at(me, e)] = foundWrong[e]; \
       found[e] = UNREAD; \
       foundWrong[e] = 0; \
       may[e] = 0 }
#elif defined(NO_READBACK)
#define ENACTOR_SENDS(e) \
  :: d_step { may[e] > 0 && found[e] != UNREAD && (found[e] < since(may[e], e) || (found[e] == since(may[e], e) && foundWrong[e] > 0)) && sent[at(me, e)] == 0 -> \
       sent[at(me, e)] = since(may[e], e); \
       onto[at(me, e)] = found[e]; \
       ontoWrong[at(me, e)] = foundWrong[e]; \
       found[e] = since(may[e], e); \
       foundWrong[e] = 0; \
       best[e] = found[e] }
#else
#define ENACTOR_SENDS(e) \
  :: d_step { may[e] > 0 && found[e] != UNREAD && (found[e] < since(may[e], e) || (found[e] == since(may[e], e) && foundWrong[e] > 0)) && sent[at(me, e)] == 0 -> \
       sent[at(me, e)] = since(may[e], e); \
       onto[at(me, e)] = found[e]; \
       ontoWrong[at(me, e)] = foundWrong[e]; \
       found[e] = UNREAD; \
       foundWrong[e] = 0; \
       may[e] = 0 }
#endif

/* reads what it said before: what was once true stays true */
#define ENACTOR_RECALLS \
  :: d_step { said < enacted[me] -> \
       said = enacted[me] }

/* how far it is: it read every name in that plan or a newer one */
#define ENACTOR_SAYS_2(g, e) (best[e] >= since(g, e) || g == said)
#define ENACTOR_SAYS(g) \
  :: d_step { !noRoom && g <= loaded && EVERY_ENDPOINTS_OF(ENACTOR_SAYS_2, g) && g == loaded && enacted[me] != g -> \
       enacted[me] = g; \
       said = g; \
       e = 0; do :: e < ENDPOINTS -> assert(wrong[e] > 0 || record[e] >= since(g, e) || HANDS > 0); e++ :: else -> break od; e = 0 }

/* dies and starts again, knowing nothing; what it sent is on its way all the same */
#define ENACTOR_CRASHES \
  :: d_step { crashes > 0 -> \
       crashes = crashes - 1; \
       seen = 0; working = 0; loaded = 0; e = 0; do :: e < ENDPOINTS -> found[e] = UNREAD; e++ :: else -> break od; e = 0; e = 0; do :: e < ENDPOINTS -> foundWrong[e] = 0; e++ :: else -> break od; e = 0; e = 0; do :: e < ENDPOINTS -> may[e] = 0; e++ :: else -> break od; e = 0; e = 0; do :: e < ENDPOINTS -> best[e] = 0; e++ :: else -> break od; e = 0; said = 0 }
proctype enactor(byte me) {
  byte seen;  /* the head, as it was told last */
  byte working;  /* the plan that it set out to work from */
  byte loaded;  /* the plan that it read after that */
  byte found[ENDPOINTS] = UNREAD;  /* what it takes to stand at the name */
  byte foundWrong[ENDPOINTS];
  byte may[ENDPOINTS];  /* the plan that was head after the name was read or written last */
  byte best[ENDPOINTS];  /* the newest that it read there */
  byte said;  /* how far it said that it is, in this life or in one before */
  byte e;
end:
  do
  ENACTOR_HEARS
  FOR_PLANS(ENACTOR_CLAIMS)
  FOR_PLANS(ENACTOR_PROCEEDS)
  ENACTOR_LOADS
  FOR_ENDPOINTS(ENACTOR_READS)
  FOR_ENDPOINTS(ENACTOR_GLIMPSES_AT)
  FOR_ENDPOINTS(ENACTOR_ASSUMES_AT)
  FOR_ENDPOINTS(ENACTOR_ASKS)
  FOR_ENDPOINTS(ENACTOR_SENDS)
  ENACTOR_RECALLS
  FOR_PLANS(ENACTOR_SAYS)
  ENACTOR_CRASHES
  od
}

/* The authority: carries out what enactors sent. */

/* replaces what stands there, if it is what was expected */
#if defined(NO_CONDITION)
#define AUTHORITY_LANDS(i, e) \
  :: d_step { sent[at(i, e)] > 0 -> \
       assert(sent[at(i, e)] >= record[e]); \
       record[e] = sent[at(i, e)]; \
       wrong[e] = 0; \
       sent[at(i, e)] = 0 }
#else
#define AUTHORITY_LANDS(i, e) \
  :: d_step { sent[at(i, e)] > 0 -> \
       if :: record[e] == onto[at(i, e)] && wrong[e] == ontoWrong[at(i, e)] -> assert(sent[at(i, e)] >= record[e]); record[e] = sent[at(i, e)]; wrong[e] = 0 :: else -> skip fi; \
       sent[at(i, e)] = 0 }
#endif
#define AUTHORITY_LANDS_AT(i) FOR_ENDPOINTS_OF(AUTHORITY_LANDS, i)

/* carries out the same once more, if it finds what was expected once more */
#define AUTHORITY_REPEATS(i, e) \
  :: d_step { sent[at(i, e)] > 0 && lost > 0 -> \
       if :: record[e] == onto[at(i, e)] && wrong[e] == ontoWrong[at(i, e)] -> record[e] = sent[at(i, e)]; wrong[e] = 0 :: else -> skip fi; \
       lost = lost - 1 }
#define AUTHORITY_REPEATS_AT(i) FOR_ENDPOINTS_OF(AUTHORITY_REPEATS, i)

/* a write that never arrives, or is accepted and not carried out */
#define AUTHORITY_LOSES(i, e) \
  :: d_step { sent[at(i, e)] > 0 && lost > 0 -> \
       sent[at(i, e)] = 0; \
       lost = lost - 1 }
#define AUTHORITY_LOSES_AT(i) FOR_ENDPOINTS_OF(AUTHORITY_LOSES, i)
active proctype authority() {
end:
  do
  FOR_ENACTORS(AUTHORITY_LANDS_AT)
  FOR_ENACTORS(AUTHORITY_REPEATS_AT)
  FOR_ENACTORS(AUTHORITY_LOSES_AT)
  od
}

/* A hand: somebody who knows nothing of Holdfast. */
#if HANDS > 0

/* puts any marker there, or none, with anything beside it */
#define HAND_EDITS(e, g, w) \
  :: d_step { hands > 0 -> \
       record[e] = g; \
       wrong[e] = w; \
       hands = hands - 1 }
#define HAND_EDITS_TRIED(e, g) HAND_EDITS(e, g, 1)
#define HAND_EDITS_AT(e) FOR_EARLIER_OF(HAND_EDITS_TRIED, e)

/* deletes a plan */
#define HAND_DAMAGES(p) \
  :: d_step { hands > 0 && p < head && plan[p] -> \
       plan[p] = 0; \
       hands = hands - 1 }

/* puts anything in place of what an enactor said, or takes it away */
#define HAND_FORGES(i, c, g) \
  :: d_step { hands > 0 && enacted[i] > 0 -> \
       claim[i] = c; \
       settled[i] = 0; \
       enacted[i] = g; \
       hands = hands - 1 }
#define HAND_FORGES_TRIED(i) HAND_FORGES(i, 0, 0)

/* the disk of the store */
#define HAND_FILLS \
  :: d_step { !noRoom && hands > 0 -> \
       noRoom = 1; \
       hands = hands - 1 }

/* it again */
#define HAND_CLEARS \
  :: d_step { noRoom -> \
       noRoom = 0 }
active proctype hand() {
end:
  do
  FOR_ENDPOINTS(HAND_EDITS_AT)
  FOR_PLANS(HAND_DAMAGES)
  FOR_ENACTORS(HAND_FORGES_TRIED)
  HAND_FILLS
  HAND_CLEARS
  od
}
#endif

/* The sweep: deletes plans that nothing can refer to any more. */
#ifdef SWEEP

/* reads head, and begins anew */
#define SWEEP_LOOKS_1(i) (base != head || (knowsEnacted && enacted[i] > top))
#define SWEEP_LOOKS \
  :: d_step { head > 0 && SOME_ENACTORS(SWEEP_LOOKS_1) -> \
       base = head; \
       top = 0; \
       knowsClaims = 0; \
       knowsEnacted = 0; \
       p = 1; do :: p <= PLANS -> spared[p] = age(p, head) <= KEEP; p++ :: else -> break od; p = 0 }

/* reads all claims */
#if defined(NO_CLAIMS)
#define SWEEP_COUNTS \
  :: d_step { base > 0 && !knowsClaims -> \
       knowsClaims = 1 }
#else
#define SWEEP_COUNTS \
  :: d_step { base > 0 && !knowsClaims -> \
       i = 0; do :: i < ENACTORS -> if :: claim[i] > 0 -> spared[claim[i]] = 1 :: else -> skip fi; i++ :: else -> break od; i = 0; \
       knowsClaims = 1 }
#endif

/* reads how far all enactors are */
#if defined(NO_ROOTS)
#define SWEEP_ASKS \
  :: d_step { base > 0 && !knowsEnacted -> \
       top = PLANS; \
       knowsEnacted = 1 }
#else
#define SWEEP_ASKS \
  :: d_step { base > 0 && !knowsEnacted -> \
       i = 0; do :: i < ENACTORS -> if :: enacted[i] > top -> top = enacted[i] :: else -> skip fi; i++ :: else -> break od; i = 0; \
       knowsEnacted = 1 }
#endif

/* a plan, if head has not moved since it was read */
#if defined(BY_AGE)
#define SWEEP_DELETES(p) \
  :: d_step { base == head && p < base && plan[p] -> \
       plan[p] = 0; \
       assert(age(p, head) > KEEP); \
       i = 0; do :: i < ENACTORS -> assert(!(settled[i] && claim[i] == p)); i++ :: else -> break od; i = 0; \
       e = 0; do :: e < ENDPOINTS -> assert(record[e] == 0 || wrong[e] > 0 || told(record[e], e)); e++ :: else -> break od; e = 0 }
#else
#define SWEEP_DELETES(p) \
  :: d_step { !noRoom && base == head && knowsClaims && knowsEnacted && p < base && p < top && !spared[p] && plan[p] -> \
       plan[p] = 0; \
       assert(age(p, head) > KEEP); \
       i = 0; do :: i < ENACTORS -> assert(!(settled[i] && claim[i] == p)); i++ :: else -> break od; i = 0; \
       e = 0; do :: e < ENDPOINTS -> assert(record[e] == 0 || wrong[e] > 0 || told(record[e], e)); e++ :: else -> break od; e = 0 }
#endif
active proctype sweep() {
  byte base;  /* the head that it read, first of all */
  byte top;  /* the newest plan that anybody says is published everywhere */
  bool knowsClaims;
  bool knowsEnacted;
  bool spared[PLANS + 1];  /* head, its last ancestors, and what is claimed */
  byte e, i, p;
end:
  do
  SWEEP_LOOKS
  SWEEP_COUNTS
  SWEEP_ASKS
  FOR_PLANS(SWEEP_DELETES)
  od
}
#endif

/* When nothing more can happen. */
#define AT_REST_1(e) (record[e] > since(head, e) || (record[e] == since(head, e) && wrong[e] == 0))
active proctype rest() {
end:
  timeout ->
  assert(head == PLANS);
  assert(EVERY_ENDPOINTS(AT_REST_1))
}

init {
  byte i;
  atomic {
    i = 0; do :: i < ENACTORS -> run enactor(i); i++ :: else -> break od
  }
}
