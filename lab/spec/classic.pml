/*
 * The protocol of October 2025: a lock compared by owner, trees that are built, made live and cleaned up
 * by age, and a rollback pointer that is set in the same transaction to what was live, which has to exist.
 */
#ifndef ENACTORS
#define ENACTORS 2
#endif
#ifndef PLANS
#define PLANS 3
#endif
#define KEEP 1

byte filed = 0;
bool tree[PLANS + 1];
byte root = 0;
byte rollback = 0;
byte lock = 0;                    /* its owner, 0 for none */

active proctype planner() {
  do
  :: filed < PLANS -> filed++
  :: else -> break
  od
}

proctype enactor(byte me) {
  byte mine, done, held, live, g;
looks:
end_looks:
  atomic { filed > done -> mine = filed };
  atomic { (root > mine) -> done = mine; goto looks } unless { atomic { root <= mine -> skip } };
  tree[mine] = true;
reads:
  atomic { held = lock; live = root };
  if
  :: live == mine -> goto cleans
  :: else
  fi;
  atomic {
    if
    :: lock != held -> goto reads                            /* lost it: backs off, tries the same plan again */
    :: lock == held && (live != root || (live > 0 && !tree[live])) -> goto looks  /* the batch is refused */
    :: else ->
       lock = me + 1;
       rollback = live;
       root = mine
    fi
  };
cleans:
  g = 1;
  do
  :: g + KEEP < mine -> atomic { tree[g] = false; assert(root == 0 || tree[root]); g++ }
  :: else -> break
  od;
  atomic { done = mine; goto looks }
}

init {
  byte i = 0;
  atomic {
    do
    :: i < ENACTORS -> run enactor(i); i++
    :: else -> break
    od
  }
}
