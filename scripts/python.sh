#!/usr/bin/env bash
# The tests of the Python package: builds the wheel once, installs it into a virtual environment for each CPython there is,
# and runs python/tests there. Two at a time.
# usage: python.sh [ARGUMENT of unittest]...     (as test_chan, or -k select; all tests without)
#
# Needs target/release (make lib), and setuptools in target/venv (deps.sh test). Pythons are looked for on the PATH and in
# ~/.pyenv/versions. Their output is also in target/python/VERSION.txt. The last line: python: N passed, 0 failed.
set -euo pipefail
cd "$(dirname "$0")/.."

versions=(3.9 3.10 3.11 3.12 3.13)
most=2
folder=$PWD/target/python
mkdir -p "$folder"

echo "python: the wheel"
rm -rf "$folder/wheel"
GORT_LIBRARY=$PWD/target/release/libgort.so target/venv/bin/python3 -m pip wheel -q --disable-pip-version-check \
    --no-build-isolation --no-deps -w "$folder/wheel" ./python
wheel=$(echo "$folder"/wheel/gort-*-py3-none-*.whl)
[ -f "$wheel" ] || { echo "python: no wheel py3-none-PLATFORM was made: $(ls "$folder/wheel")" && exit 1; }
${CC:-cc} -shared -fPIC -O2 -Wall -Wextra -Werror -Iinclude c-tests/pyhelper.c -o "$folder/libpyhelper.so" -Ltarget/release -lgort

# A shim of pyenv may be there without its Python.
find_python() { # find_python VERSION
    local candidate
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
        if "$candidate" -c "import sys, venv, ensurepip; assert sys.version_info[:2] == (${1/./, })" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

run() { # run VERSION PYTHON ARGUMENT...
    local venv=$folder/venv-$1 python=$2
    shift 2
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-index --no-deps --force-reinstall "$wheel" || return
    if [ $# -eq 0 ]; then set -- discover -s .; fi
    (
        cd python/tests
        unset PYTHONPATH GORT_LIBRARY
        GORT_PYHELPER=$folder/libpyhelper.so timeout 600 "$venv/bin/python" -m unittest "$@"
    )
}

status=0
running=()
names=()
wait_for_first() {
    wait "${running[0]}" || { status=1 && echo "python: ${names[0]} failed (target/python/${names[0]}.txt)"; }
    cat "$folder/${names[0]}.txt"
    running=("${running[@]:1}")
    names=("${names[@]:1}")
}
passed=0
found=()
for version in "${versions[@]}"; do
    if python=$(find_python "$version"); then
        found+=("$version")
        # So many at once take memory: once is enough.
        many=$([ "$version" = "${versions[-1]}" ] && echo 100000 || echo 10000)
        (echo "== Python $version: $python" && GORT_MANY=$many run "$version" "$python" "$@") >"$folder/$version.txt" 2>&1 &
        running+=($!)
        names+=("$version")
        [ ${#running[@]} -lt $most ] || wait_for_first
    else
        echo "python: there is no Python $version here: skipped"
    fi
done
while [ ${#running[@]} -gt 0 ]; do wait_for_first; done
[ ${#found[@]} -gt 0 ] || { echo "python: there is no Python to test with" && exit 1; }
[ $status -eq 0 ] || exit 1
for version in "${found[@]}"; do
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\? in .*/\1/p' "$folder/$version.txt")
    skipped=$(sed -n 's/^OK (.*skipped=\([0-9]*\).*/\1/p' "$folder/$version.txt")
    passed=$((passed + ran - ${skipped:-0}))
done
echo "python: $passed passed, 0 failed"
