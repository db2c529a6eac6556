#!/bin/sh
# A host's side of Holdfast's lease service with curl, awk and sed.
#
#     LEASE_TOKEN=... sh client.sh http://10.0.0.5:5380 [http://10.0.0.6:5380 ...]
#
# Prints `leased EPOCH SECONDS` for each report that is answered with a lease, and `lost` when it ends. Whatever
# the lease protects must look at the epoch, too: this machine may be slower than it thinks.
set -u
: "${LEASE_TOKEN:?expected the token of the fleet in LEASE_TOKEN}" "${1:?expected the address of a lease manager}"
id=${LEASE_ID:-$(hostname)}
boot=$(cat /proc/sys/kernel/random/uuid)
epoch=0 proof='' until=0 owner='' turn=0 hops=0 tokens=10 failures=0 last=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && trap 'exit 0' INT TERM
# The token goes by a file, not by the arguments that every user of this machine can read.
(umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$LEASE_TOKEN" > "$work/auth")

now() { cut -d' ' -f1 /proc/uptime; }                       # seconds, monotonic
calc() { awk "BEGIN { print ($1) }"; }
true_that() { awk "BEGIN { exit !($1) }"; }
between() { awk -v seed="$(od -An -N4 -tu4 /dev/urandom)" "BEGIN { srand(seed); print ($1) + rand() * (($2) - ($1)) }"; }
number() { printf %s "$answer" | sed -n "s/.*\"$1\":\([0-9]\{1,16\}\)[,.}]*.*/\1/p"; }
field() { printf %s "$answer" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
most() { awk "BEGIN { print ($last > 60 ? $last : 60) }"; }

lost() { epoch=0 proof='' until=0 && echo lost; }

pause() { # seconds; says when the lease ends on the way
  wake=$(calc "$(now) + $1")
  if [ "$epoch" != 0 ] && true_that "$until < $wake"; then
    sleep "$(calc "$until > $(now) ? $until - $(now) : 0")" && lost
  fi
  sleep "$(calc "$wake > $(now) ? $wake - $(now) : 0")"
}

broken() {
  if [ -n "$owner" ]; then owner=''; else turn=$((turn + 1)); fi
  if true_that "$tokens < 1"; then wait=$(between "$(most) / 2" "$(most) * 1.5"); return; fi
  wait=$(between 0 "$(calc "2 ^ $failures < $(most) ? 2 ^ $failures : $(most)")")
  tokens=$(calc "$tokens - 1") failures=$((failures + 1))
}

while :; do
  shift_by=$((turn % $#)) server=$owner
  [ -n "$server" ] || server=$(shift "$shift_by"; printf %s "$1")
  sent=$(now)
  body="{\"id\":\"$id\",\"bootId\":\"$boot\",\"epoch\":$epoch,\"proof\":\"$proof\",\"class\":\"running\"}"
  code=$(curl -sS -m 10 --max-filesize 1048576 -K "$work/auth" -H 'Content-Type: application/json' -d "$body" \
    -D "$work/head" -o "$work/body" -w '%{http_code}' "$server/v1/sync") || code=000
  after=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,6\}\).*/\1/p' "$work/head" 2> /dev/null)
  case $code in
    200) answer=$(sed -n "s/.*{\"id\":\"$id\"\([^}]*\)}.*/\1/p" "$work/body") status=$(field status) ;;
    429 | 503) status=BUSY ;;
    4*) status=REFUSED ;;
    *) status='' ;;
  esac
  case $status in
    LEASED | PENDING | STALE | UNKNOWN | MOVED)
      wait=$(calc "$(number pollAfterMs) / 1000 + 0.05") last=$wait failures=0
      tokens=$(calc "$tokens < 9.9 ? $tokens + 0.1 : 10") ;;
  esac
  [ "$status" = MOVED ] || hops=0
  case $status in
    LEASED)
      [ "$(number epoch)" = "$epoch" ] || proof=''
      new=$(field proof) && proof=${new:-$proof} epoch=$(number epoch) until=$(calc "$sent + 0.98 * $(number ttl) / 1000")
      echo "leased $epoch $(calc "$until - $(now)")" ;;
    STALE) [ "$epoch" = 0 ] || lost ;;
    MOVED) owner=$(field to) hops=$((hops + 1)) && wait=$(between "$wait" "$wait + (2 ^ $hops > 1200 ? 60 : 0.05 * 2 ^ $hops)") ;;
    PENDING | UNKNOWN) ;;
    BUSY) if [ -n "$after" ]; then wait=$(between "$after" "$after * 1.5"); else broken; fi ;;
    REFUSED) echo "$server: expected 200, found $code; check token, id and address" >&2
      wait=$(between "$(most) / 2" "$(most) * 1.5") ;;
    *) broken ;;
  esac
  pause "$wait"
done
