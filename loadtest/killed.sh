#!/bin/sh
# Replays a file of sales against a system of its own that is killed again and again, where it stands, and audits at the
# end: `killed.sh FILE [KILLS] [SALES_A_SECOND]`. The data are gone afterwards.
set -eu
FILE=$(realpath "$1")
KILLS="${2:-200}"
RATE="${3:-40}"
cd "$(dirname "$0")/.."

BIN="${BIN:-${CARGO_TARGET_DIR:-target}/rush}"
DIR=$(mktemp -d "${TMPDIR:-/tmp}/pos-killed-XXXXXX")
ENDPOINTS="$DIR/endpoints.json"
# The same after each start: whoever sells knows where it was.
API_PORT=18090
AWS_PORT=18091
DYNAMODB_PORT=18092
SYSTEM=
REPLAY=

stop() {
  for pid in $REPLAY $SYSTEM; do
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$DIR"
}
trap stop EXIT
trap 'exit 1' INT TERM

start() {
  rm -f "$ENDPOINTS"
  "$BIN/local" --dir "$DIR" --api-port $API_PORT --aws-port $AWS_PORT --dynamodb-port $DYNAMODB_PORT >>"$DIR/out" 2>&1 &
  SYSTEM=$!
  tries=0
  until [ -r "$ENDPOINTS" ]; do
    kill -0 "$SYSTEM" 2>/dev/null || { tail "$DIR/out" >&2; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the system did not start" >&2; exit 1; }
    sleep 0.05
  done
  cp "$ENDPOINTS" "$DIR/found.json"
}

start
POS_ENDPOINTS="$DIR/found.json" "$BIN/loadtest" replay --file "$FILE" --rate "$RATE" >"$DIR/replayed" 2>&1 &
REPLAY=$!
killed=0
# Until the cashier has signed in.
sleep 5
while [ "$killed" -lt "$KILLS" ] && kill -0 "$REPLAY" 2>/dev/null; do
  # Somewhere between a moment after the start and a second later.
  sleep "$(awk -v seed="$killed" 'BEGIN { srand(seed); printf "%.3f", 0.05 + rand() }')"
  kill -9 "$SYSTEM"
  wait "$SYSTEM" 2>/dev/null || true
  killed=$((killed + 1))
  start
done
STATUS=0
wait "$REPLAY" || STATUS=$?
REPLAY=
cat "$DIR/replayed"
echo "killed $killed times"
# A file that is sold out before is no proof of so many kills.
[ "$killed" -ge "$KILLS" ] || STATUS=1
exit "$STATUS"
