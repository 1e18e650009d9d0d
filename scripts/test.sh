#!/usr/bin/env bash
# Every test, in the order of what fails soonest. Stops at the first step that fails; the output of each step is also in
# target/log. The last line of a run in which all went well: N passed, 0 failed.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never
export CARGO_TARGET_DIR=$PWD/target
log=$PWD/target/log
mkdir -p "$log"
rm -f "$log"/*.log

step() { # step NAME COMMAND...
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if ! "$@" 2>&1 | tee "$log/$name.log"; then
        printf '\n== %s FAILED (target/log/%s.log)\n' "$name" "$name"
        exit 1
    fi
    printf '== %s: ok, %d s\n' "$name" $((SECONDS - start))
}

# The models only: under loom nothing else of the library can run. Optimised, for there are many interleavings, but no more than
# pays, since what loom needs takes longer to compile than all models to run. Without backtraces, since those that must fail
# would spend their time on them. With the target named, the flags are not for what the build needs, which the library's own
# build then finds there.
loom() {
    RUST_BACKTRACE=0 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 RUSTFLAGS="--cfg loom" \
        cargo test --release --target "$(rustc -vV | sed -n 's/^host: //p')" --lib loom
}

# Four at a time on two processors, as many of them wait most of the time. Those that measure time, or take all the memory they
# can get, run alone (SERIAL).
c_tests() {
    cmake -S . -B target/cmake -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
        cmake --build target/cmake &&
        ctest --test-dir target/cmake --output-on-failure -j $(($(nproc) * 2))
}

# The same tests built with AddressSanitizer, which also looks for leaks.
asan() {
    cmake -S . -B target/cmake-asan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGORT_SANITIZE=address &&
        cmake --build target/cmake-asan &&
        GORT_SECONDS=1 ASAN_OPTIONS=allocator_may_return_null=1 \
            ctest --test-dir target/cmake-asan --output-on-failure -j $(($(nproc) * 2)) -LE slow
}

step deps scripts/deps.sh python test aarch64
ruff=target/venv/bin/ruff
step layers python3 scripts/check_layers.py
step ruff $ruff check --config scripts/ruff.toml --exclude target .
step ruff-format $ruff format --check --config scripts/ruff.toml --exclude target .
step mypy target/venv/bin/mypy --config-file python/pyproject.toml --cache-dir target/mypy-cache python/gort
step fmt cargo fmt --check -- --color never
step clippy cargo clippy --all-targets -- -D warnings
step clippy-faults cargo clippy --all-targets --features fault-injection -- -D warnings
step rust cargo test
step loom loom
step library make -s lib
step c c_tests
step asan asan
step demo make -s test-demo
step examples make -s test-examples CFLAGS="-O2 -g -Werror"
step python scripts/python.sh
step aarch64 scripts/aarch64.sh -LE "stress|slow"

# What cargo ("test result: ok. 3 passed"), ctest ("100% tests passed, 0 tests failed out of 3") and the tests of
# the examples and of the Python package ("treewc: 3 passed, 0 failed") count. ctest counts what it skipped as passed.
sum() { sed -nE "$1" "$log"/*.log | awk '{ n += $1 } END { print n + 0 }'; }
passed=$(sum 's/^test result: ok\. ([0-9]+) passed.*/\1/p; s/^100% tests passed.* out of ([0-9]+).*/\1/p
    s/^(treewc|echo|httpd|proxy|python): ([0-9]+) passed, 0 failed$/\2/p')
skipped=$(sum 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: .*\*\*\*Skipped.*/1/p')
printf '\n'
[ "$skipped" -eq 0 ] || printf '%d skipped:\n%s\n' "$skipped" "$(grep -h '\*\*\*Skipped' "$log"/*.log)"
printf '%d passed, 0 failed\n' $((passed - skipped))
