/*
 * Holdfast in Promela: what an enactor asks of the store and of the authority, in which order, and what
 * it does with the answers. Every question and every write is one step; between any two of them anything
 * can happen elsewhere. The rules in lab/spec/rules.ts say the same of an enactor, label by label, and the test
 * beside them requires that every path of the production enactor that the explorer learned obeys them.
 *
 *   ENACTORS PLANS ENDPOINTS CRASHES     sizes and bounds
 *   SWEEP                                 with the sweep
 *   NO_CONDITION NO_READBACK NO_CLAIMS NO_ROOTS BY_AGE   without a mechanism
 *   LIES                                  writes that are accepted and not carried out
 *
 * A stall needs no transition of its own: a process that is not scheduled is held up for as long as
 * anybody likes, and no step depends on a clock.
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
#ifndef LIES
#define LIES 0
#endif
#define KEEP 1

byte head = 0;
bool plan[PLANS + 1];
/* What stands at each name: the generation, whose records stand there too (S3), 0 for nothing. */
byte record[ENDPOINTS];
/* By enactor; 0 for none. */
byte claim[ENACTORS];
byte enacted[ENACTORS];
/* Whether a claim stands from before head was moved last: then the sweep has to see it. */
bool settled[ENACTORS];
byte crashes = CRASHES;
byte lies = LIES;

active proctype planner() {
  byte i;
  do
  :: head < PLANS ->
     atomic {
       plan[head + 1] = true;
       head++;
       i = 0;
       do
       :: i < ENACTORS -> settled[i] = (claim[i] > 0); i++
       :: else -> break
       od;
       i = 0
     }
  :: else -> break
  od
}

inline write(e, from, to) {
  if
#ifdef NO_CONDITION
  :: true ->
#else
  :: record[e] == from ->
#endif
     assert(to >= record[e]);          /* S1; and with records by value never empty, S2 */
     record[e] = to;
     ok = true
  :: lies > 0 -> lies--; ok = true
#ifndef NO_CONDITION
  :: record[e] != from -> ok = false
#endif
  fi
}

#define CRASH :: atomic { crashes > 0 -> crashes--; goto start }

proctype enactor(byte me) {
  byte seen;       /* the plan that it works from */
  byte done;       /* the plan of which it saw everything */
  byte found;      /* what it read at a name */
  byte e;
  bool ok;
  /* A rest with a plan left to be seen is no end: end_rest can always go on then (L2). */
start:
  atomic { seen = 0; done = 0; found = 0; e = 0; ok = false };
rest:                                                        /* waits for a head that it does not know */
end_rest:
  if
  :: atomic { head > 0 && head != done -> seen = head }
  CRASH
  fi;
claims:
  if
  :: atomic { claim[me] = seen; settled[me] = false }
  CRASH
  fi;
reads_plan:
  if
  :: plan[seen] -> skip
  :: !plan[seen] -> goto rest                                /* swept: superseded */
  CRASH
  fi;
reads_head:
  if
  :: head == seen -> e = 0
  :: atomic { head != seen -> seen = head; goto claims }
  CRASH
  fi;
reads_record:
  if
  :: atomic { true -> found = record[e] }
  :: atomic { done > 0 && ok == false -> found = done }      /* takes for granted what it saw: the condition finds out */
  CRASH
  fi;
  if
  :: found == seen -> goto next
  :: found > seen -> goto again                              /* fence: newer, so is head */
  :: else -> skip
  fi;
checks_head:
  if
  :: head == seen -> skip
  :: head != seen -> goto again
  CRASH
  fi;
writes:
  if
  :: atomic { true -> write(e, found, seen); }
  CRASH
  fi;
#ifdef NO_READBACK
  if
  :: ok -> goto next
  :: else -> goto reads_record
  fi;
#else
  goto reads_record;
#endif
next:
  e++;
  if
  :: e < ENDPOINTS -> goto reads_record
  :: else -> skip
  fi;
says:
  if
  :: atomic { true ->
       e = 0;
       do                                                    /* L1: what it says is published, is */
       :: e < ENDPOINTS -> assert(record[e] >= seen); e++
       :: else -> break
       od;
       enacted[me] = seen; done = seen; found = 0; e = 0; ok = false; goto rest }
  CRASH
  fi;
again:                                                       /* drops its plan, and reads the newest */
  atomic { seen = 0; found = 0; e = 0; ok = false; goto rest }
}

#ifdef SWEEP
/* Head first, then the claims, then what was seen published; deletes if head has not moved since. */
active proctype sweep() {
  byte h, top, i, g;
  bool kept[PLANS + 1];
  do
  :: atomic {
       head > 0 -> h = head; top = 0; i = 0; g = 0;
       do
       :: g <= PLANS -> kept[g] = (g >= h - KEEP); g++
       :: else -> break
       od
     };
     do
     :: i < ENACTORS ->
        atomic {
#ifndef NO_CLAIMS
          kept[claim[i]] = true;
#endif
          i++
        }
     :: else -> break
     od;
     i = 0;
     do
     :: i < ENACTORS -> atomic { if :: enacted[i] > top -> top = enacted[i] :: else fi; i++ }
     :: else -> break
     od;
#ifdef NO_ROOTS
     top = PLANS;
#endif
     atomic {
       if
       :: head == h ->
          g = 1;
          do
          :: g <= PLANS ->
             if
#ifdef BY_AGE
             :: g < h -> plan[g] = false
#else
             :: g < top && !kept[g] && plan[g] ->
                plan[g] = false;
                i = 0;
                do                                           /* S4: nobody's claim, nobody's record */
                :: i < ENACTORS -> assert(!(settled[i] && claim[i] == g)); i++
                :: else -> break
                od;
                i = 0;
                do
                :: i < ENDPOINTS -> assert(record[i] != g); i++
                :: else -> break
                od
#endif
             :: else
             fi;
             g++
          :: else -> break
          od;
          assert(plan[h] && (h == 1 || plan[h - 1]))         /* S4: head and its last ancestor */
       :: else
       fi;
       h = 0; top = 0; i = 0; g = 0
     }
     /* Until something has changed; looking again at once finds the same. */
  :: else -> (head > 0)
  od
}
#endif

init {
  byte i = 0;
  atomic {
    do
    :: i < ENACTORS -> run enactor(i); i++
    :: else -> break
    od
  }
}
