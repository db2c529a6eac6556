/*
 * The protocol of October 2025 at one name: a root points at the tree of a plan; whoever saw the lock last
 * may take it; what is much older than what was just made live is cleaned up, and whoever is stale was asked once.
 *
 *   ENACTORS PLANS                        sizes
 *
 * Printed from lab/spec/classic.ts: edit that, and run HOLDFAST_WRITE_SPEC=1 vitest run lab/spec.
 */
#ifndef ENACTORS
#define ENACTORS 2
#endif
#ifndef PLANS
#define PLANS 3
#endif
#define KEEP 1
#define LOOKS 0
#define STALE 1
#define BUILDS 2
#define READS 3
#define MOVES 4
#define CLEANS 5
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

byte filed;  /* the newest plan */
bool tree[PLANS + 1];
byte root;  /* the plan whose tree it points at, 0 for none */
byte rollback;
byte lock;  /* who took it and when, as a number of its own; 0 for nobody */

/* The planner: files plan after plan. */

/* the next one */
#define PLANNER_FILES \
  :: d_step { filed < PLANS -> \
       filed = filed + 1 }
active proctype planner() {
end:
  do
  PLANNER_FILES
  od
}

/* An enactor: one run for each plan that it looks up. */

/* for the newest plan */
#define ENACTOR_LOOKS \
  :: d_step { at == LOOKS && filed > done -> \
       mine = filed; \
       at = STALE }

/* whether its plan is stale: once */
#define ENACTOR_JUDGES \
  :: d_step { at == STALE -> \
       if :: root > mine -> done = mine; at = LOOKS :: else -> at = BUILDS fi }

/* the tree of its plan beside the live one */
#define ENACTOR_BUILDS \
  :: d_step { at == BUILDS && !tree[mine] -> \
       tree[mine] = 1; \
       at = READS }

/* that somebody has built it */
#define ENACTOR_FINDS \
  :: d_step { at == BUILDS && tree[mine] -> \
       at = READS }

/* to build it, because somebody cleans it up in the meantime */
#define ENACTOR_FAILS \
  :: d_step { at == BUILDS && mine + KEEP < filed -> \
       at = LOOKS }

/* lock and root */
#define ENACTOR_READS \
  :: d_step { at == READS -> \
       held = lock; \
       live = root; \
       if :: root == mine -> at = CLEANS :: else -> at = MOVES fi }

/* the lock was taken: backs off, and tries the same plan again */
#define ENACTOR_LOSES \
  :: d_step { at == MOVES && lock != held -> \
       at = READS }

/* the batch is refused, since the tree that was live is gone, or its own */
#define ENACTOR_BREAKS \
  :: d_step { at == MOVES && lock == held && (root != live || (live > 0 && !tree[live]) || !tree[mine]) -> \
       at = LOOKS }

/* lock, rollback record and root in one batch */
#define ENACTOR_MOVES \
  :: d_step { at == MOVES && lock == held && root == live && (live == 0 || tree[live]) && tree[mine] -> \
       lock = lock + 1; \
       rollback = live; \
       root = mine; \
       at = CLEANS }

/* a tree of a plan much older than its own */
#define ENACTOR_CLEANS(p) \
  :: d_step { at == CLEANS && p + KEEP < mine && tree[p] -> \
       tree[p] = 0; \
       assert(root == 0 || tree[root]) }

/* its run */
#define ENACTOR_FINISHES \
  :: d_step { at == CLEANS -> \
       done = mine; \
       at = LOOKS }
proctype enactor(byte me) {
  byte at;  /* what it does next */
  byte mine;  /* the plan of this run */
  byte done;
  byte held;  /* the lock, as it read it */
  byte live;  /* the root, as it read it */
end:
  do
  ENACTOR_LOOKS
  ENACTOR_JUDGES
  ENACTOR_BUILDS
  ENACTOR_FINDS
  ENACTOR_FAILS
  ENACTOR_READS
  ENACTOR_LOSES
  ENACTOR_BREAKS
  ENACTOR_MOVES
  FOR_PLANS(ENACTOR_CLEANS)
  ENACTOR_FINISHES
  od
}

init {
  byte i;
  atomic {
    i = 0; do :: i < ENACTORS -> run enactor(i); i++ :: else -> break od
  }
}
