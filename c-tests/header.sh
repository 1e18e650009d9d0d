#!/bin/sh
# gort.h compiles alone, as C11 and as C++17, without a warning, with every compiler that is there; and each function of
# abi_symbols.txt is declared in it with a comment.
#
# usage: header.sh INCLUDE_DIR [COMPILER]...
set -eu

include=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
status=0

[ $# -gt 0 ] || set -- cc gcc clang
tried=0
for compiler in "$@"; do
    command -v "$compiler" >/dev/null 2>&1 || continue
    tried=$((tried + 1))
    for how in "c -std=c11" "c -std=c17" "c++ -std=c++17" "c++ -std=c++20"; do
        # The second include must be empty. The words of how are options.
        # shellcheck disable=SC2086
        if ! printf '#include <gort.h>\n#include <gort.h>\n' |
            "$compiler" -x $how -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" -; then
            echo "header: fails with $compiler -x $how" >&2
            status=1
        fi
    done
done
if [ $tried -eq 0 ]; then
    echo "header: no compiler found" >&2
    exit 1
fi

# What begins with gort_py_ is between the library and its Python package (src/python).
# A declaration starts after an empty line, a brace, a semicolon or a comment; the line before it must end a comment.
undocumented=$(awk -v symbols="$here/abi_symbols.txt" '
    BEGIN { while ((getline name < symbols) > 0) if (name !~ /^gort_py_/) wanted[name] = 1 }
    {
        line = $0
        if (!in_decl && line !~ /^[[:space:]]*(\/\*|\*|\/\/|#|$)/) { in_decl = 1; documented = commented }
        if (in_decl)
            for (name in wanted)
                if (line ~ "(^|[^A-Za-z0-9_])" name "[[:space:]]*\\(") {
                    found[name] = 1
                    if (!documented) print name " has no comment"
                }
        if (line ~ /[;{}][[:space:]]*$/) in_decl = 0
        commented = line ~ /\*\/[[:space:]]*$/ || line ~ /^[[:space:]]*\/\//
    }
    END { for (name in wanted) if (!(name in found)) print name " is not declared" }
' "$include/gort.h")
if [ -n "$undocumented" ]; then
    printf 'header: %s\n' "$undocumented" >&2
    status=1
fi

[ $status -eq 0 ] && echo "header: ok"
exit $status
