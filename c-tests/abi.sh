#!/bin/sh
# What libgort.so looks like from outside: exactly the exports of abi_symbols.txt, the soname, and the marks that the
# dynamic linker acts on.
#
# usage: abi.sh LIBRARY [NM] [READELF]
set -eu

library=$1
nm=${2:-nm}
readelf=${3:-readelf}
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
status=0

complain() {
    echo "abi: $*" >&2
    status=1
}

sort -c -u "$here/abi_symbols.txt" || complain "abi_symbols.txt is not sorted"

exported=$("$nm" -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | sort -u)
if ! printf '%s\n' "$exported" | diff "$here/abi_symbols.txt" - >&2; then
    complain "the exports differ: < is missing from the library, > is not in abi_symbols.txt"
fi

dynamic=$("$readelf" -dW "$library")
soname=$(printf '%s\n' "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
major=$(sed -n 's/^version = "\([0-9]*\)\..*/\1/p' "$here/../Cargo.toml" | head -n 1)
[ "$soname" = "libgort.so.$major" ] || complain "the soname is '$soname', not libgort.so.$major"
printf '%s\n' "$dynamic" | grep -q TEXTREL && complain "the library has text relocations"
# dlclose must not unload code that threads may be in.
printf '%s\n' "$dynamic" | grep -q 'FLAGS_1.*NODELETE' || complain "the library is not marked NODELETE"

# An assembly file without its note would make every stack of the process executable.
stack=$("$readelf" -lW "$library" | awk '$1 == "GNU_STACK" { print $7 $8 }')
case $stack in
RW*E*) complain "the library asks for an executable stack" ;;
RW*) ;;
*) complain "the library says nothing of its stack" ;;
esac

[ $status -eq 0 ] && echo "abi: ok"
exit $status
