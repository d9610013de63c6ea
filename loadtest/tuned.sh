#!/bin/sh
# Builds what a rush runs for this machine, laid out by what a rush does: everything once to count, and once by what was
# counted.
#
# LLVM_PROFDATA names the tool that reads the counts, if it is not the toolchain's (`rustup component add llvm-tools`).
set -eu
cd "$(dirname "$0")/.."

HOST=$(rustc -vV | sed -n 's/^host: //p')
PROFDATA="${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$HOST/bin/llvm-profdata}"
"$PROFDATA" --version >/dev/null || { echo "the counts cannot be read: rustup component add llvm-tools" >&2; exit 1; }

mkdir -p "${CARGO_TARGET_DIR:-target}/tuned"
TUNED=$(cd "${CARGO_TARGET_DIR:-target}/tuned" && pwd)

# The same profile both times: what it says is part of the name of every function, and counts are found by name.
build() {
  RUSTFLAGS="$1" CARGO_TARGET_DIR="$TUNED" \
    cargo build --quiet --profile rush --package local --package loadtest --bins --target "$HOST"
}

# Whoever is interrupted leaves nothing that counts to run, and nothing that stands in the way of other counts.
rm -rf "$TUNED/bin" "$TUNED/counts" "$TUNED/$HOST"
build "-Cprofile-generate=$TUNED/counts"
# Slower by half while it counts, so it is asked for half.
BIN="$TUNED/$HOST/rush" loadtest/alone.sh rush --rate 600 --seconds 40 --report "$TUNED/counted"
"$PROFDATA" merge --output "$TUNED/counts.profdata" "$TUNED/counts"
build "-Cprofile-use=$TUNED/counts.profdata"
ln -sfn "$HOST/rush" "$TUNED/bin"
