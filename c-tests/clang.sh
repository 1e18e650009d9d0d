#!/bin/sh
# gort.hpp with every C++ compiler that is there. It compiles alone in each language version and dialect, without a
# warning, and with the first compiler each of its parts does. The tests cpp_*.cpp run as C++17 with all compilers but the
# first, with which CMake has built them so; with that one as C++20, and not optimised, as CMake's are.
#
# usage: clang.sh INCLUDE_DIR LIBRARY_DIR COMPILER...
set -eu

include=$1
libraries=$2
first=$3
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
status=0

# run_tests COMPILER STANDARD OPTIMISATION: all tests, side by side: compiled, then run.
run_tests() {
    tests=""
    for source in "$here"/cpp_*.cpp; do
        name=$(basename "$source" .cpp)
        dialect=""
        [ "$name" != cpp_bare ] || dialect="-fno-exceptions -fno-rtti"
        # shellcheck disable=SC2086
        "$1" -std=$2 $3 $warnings $dialect -I"$include" "$source" -o "$work/$name" -L"$libraries" -lgort -pthread &
        tests="$tests $name:$!"
    done
    for test in $tests; do
        if ! wait "${test#*:}"; then
            echo "clang: $1 -std=$2 does not compile ${test%:*}" >&2
            status=1
        elif ! "$work/${test%:*}"; then
            echo "clang: ${test%:*} of $1 -std=$2 fails" >&2
            status=1
        fi
    done
}

tried=""
for compiler in "$@"; do
    path=$(command -v "$compiler") || continue
    # One compiler may have several names.
    id=$(readlink -f "$path")
    case " $tried " in *" $id "*) continue ;; esac
    tried="$tried $id"
    for standard in c++17 c++20; do
        for dialect in "" "-fno-rtti" "-fno-exceptions" "-fno-exceptions -fno-rtti"; do
            # The second include must be empty.
            # shellcheck disable=SC2086
            if ! printf '#include <gort.hpp>\n#include <gort.hpp>\n' |
                "$path" -x c++ -std=$standard $dialect $warnings -fsyntax-only -I"$include" -; then
                echo "clang: gort.hpp fails alone with $compiler -std=$standard $dialect" >&2
                status=1
            fi
        done
    done
    if [ "$compiler" != "$first" ]; then
        run_tests "$path" c++17 -O2
        continue
    fi
    for part in "$include"/gort/*.hpp; do
        # shellcheck disable=SC2086
        if ! "$path" -x c++ -std=c++17 $warnings -fsyntax-only -I"$include" -include "$part" /dev/null; then
            echo "clang: $part fails alone with $compiler" >&2
            status=1
        fi
    done
    run_tests "$path" c++20 -O0
done
if [ -z "$tried" ]; then
    echo "clang: no compiler found" >&2
    exit 77
fi

[ $status -eq 0 ] && echo "clang: ok:$tried"
exit $status
