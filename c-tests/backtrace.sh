#!/bin/sh
# A debugger's backtrace in a goroutine shows the goroutine's frames and ends there, on a fresh goroutine and on a
# resumed one.
#
# usage: backtrace.sh PROGRAM. Exit code 77: skipped.
set -eu

program=$1
export LC_ALL=C
# An answer from the network would only delay it.
export DEBUGINFOD_URLS=
# The leak checker needs ptrace itself.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

if [ -n "${GORT_EMULATED:-}" ]; then
    echo "skipped: gdb does not see the program inside an emulator"
    exit 77
fi
if ! command -v gdb >/dev/null 2>&1; then
    echo "skipped: no gdb"
    exit 77
fi

out=$(mktemp)
trap 'rm -f "$out"' EXIT
gdb -nx -q -batch \
    -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' -ex 'set backtrace limit 64' \
    -ex 'break gort_bt_leaf' -ex 'run' \
    -ex 'echo [fresh\n' -ex 'backtrace' -ex 'echo ]\n' \
    -ex 'continue' \
    -ex 'echo [resumed\n' -ex 'backtrace' -ex 'echo ]\n' \
    -ex 'delete' -ex 'continue' "$program" >"$out" 2>&1 </dev/null || true

if grep -q -i -e 'ptrace: Operation not permitted' -e "couldn't get registers" -e 'Could not trace' "$out"; then
    echo "skipped: gdb may not trace here"
    exit 77
fi

fail() {
    echo "backtrace: $*" >&2
    cat "$out" >&2
    exit 1
}

grep -q 'exited normally' "$out" || fail "the program did not run to its end under gdb"

for part in fresh resumed; do
    frames=$(sed -n "/^\[$part/,/^\]/p" "$out" | grep '^#' || true)
    [ -n "$frames" ] || fail "no frames in part $part"
    n=0
    for name in gort_bt_leaf gort_bt_middle gort_bt_body; do
        printf '%s\n' "$frames" | grep -q "^#$n .*$name" || fail "$part: frame $n is not $name"
        n=$((n + 1))
    done
    # What starts a goroutine may be several frames, as gdb also counts inlined ones; then it ends.
    count=$(printf '%s\n' "$frames" | wc -l)
    [ "$count" -le 12 ] || fail "$part: $count frames, want the three of the program and a few below"
    printf '%s\n' "$frames" | grep -q ' in ?? ()' && fail "$part: a frame without a function"
    printf '%s\n' "$frames" | grep -q '^#[0-9]* *0x0* in' && fail "$part: a frame at address zero"
done
if grep -q -i -e 'Backtrace stopped' -e 'corrupt stack' -e 'Cannot access memory' -e 'backtrace limit' "$out"; then
    fail "gdb met something odd"
fi
echo "backtrace: ok"
