#!/bin/sh
# Runs a command of `loadtest` against a system of its own, whose data are gone afterwards: `alone.sh rush --rate 300`.
# CONCURRENCY is how many batches of a queue are worked on at the same time, BIN the folder of what is run.
#
# PEER names a folder with a run.sh that starts another system, drives it for so many seconds, and says what it did; its
# turn is after ours.
set -eu
cd "$(dirname "$0")/.."

BIN="${BIN:-${CARGO_TARGET_DIR:-target}/rush}"
DIR=$(mktemp -d "${TMPDIR:-/tmp}/pos-rush-XXXXXX")
SYSTEM=

stop() {
  [ -z "$SYSTEM" ] || kill "$SYSTEM" 2>/dev/null || true
  [ -z "$SYSTEM" ] || wait "$SYSTEM" 2>/dev/null || true
  rm -rf "$DIR"
}
trap stop EXIT
trap 'exit 1' INT TERM

"$BIN/local" --dir "$DIR" --max-concurrency "${CONCURRENCY:-4}" --api-port 0 --aws-port 0 --dynamodb-port 0 >"$DIR/out" 2>&1 &
SYSTEM=$!
tries=0
until [ -r "$DIR/endpoints.json" ]; do
  kill -0 "$SYSTEM" 2>/dev/null || { cat "$DIR/out" >&2; exit 1; }
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "the system did not start" >&2; exit 1; }
  sleep 0.1
done

STATUS=0
POS_ENDPOINTS="$DIR/endpoints.json" "$BIN/loadtest" "$@" || STATUS=$?
if [ -n "${PEER:-}" ]; then
  kill "$SYSTEM" && wait "$SYSTEM" 2>/dev/null || true
  SYSTEM=
  echo "the peer:"
  "$PEER/run.sh" "${PEER_SECONDS:-60}"
fi
exit "$STATUS"
