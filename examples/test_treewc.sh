#!/usr/bin/env bash
# Compares treewc with find, cat and wc on trees that are meant to trip it.
# usage: test_treewc.sh PATH-OF-TREEWC
set -u
export LC_ALL=C
treewc=$(realpath "${1:?usage: test_treewc.sh PATH-OF-TREEWC}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

ok() { # ok NAME CONDITION...
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "not ok: $name" >&2
        failed=$((failed + 1))
    fi
}

# What a word is has changed in wc: see the head of treewc.c.
words=()
[ "$(printf '\001' | wc -w)" -eq 0 ] || words=(-b)

# root may read everything; the tests of what may not be read give that up.
limited=()
if [ "$(id -u)" -eq 0 ]; then
    limited=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search)
fi

same() { # same NAME DIR [WRAPPER...]: the totals of both are equal; leaves treewc's exit code in $code, stderr in err
    local name=$1 dir=$2 want got
    shift 2
    want=$("$@" find "$dir" -type f -print0 2>find.err | "$@" xargs -0 cat -- 2>cat.err | wc)
    got=$("$@" timeout 120 "$treewc" "${words[@]}" -- "$dir" 2>err)
    code=$?
    [ "$got" = "$want" ] || printf '  find: %s\n  ours: %s\n' "$want" "$got" >&2
    ok "$name: totals" test "$got" = "$want"
}

# Names, contents and ends that are unusual.
mkdir -p 'nasty/a b' nasty/$'new\nline' nasty/empty nasty/-dash 'nasty/quo"te'\' nasty/$'\377\001'
printf 'one two\nthree' >'nasty/a b/no newline'
printf 'x' >nasty/$'new\nline'/$'in\nside'
printf 'y' >nasty/$'new\nline'/y
printf 'z z' >nasty/-dash/-n
: >nasty/nothing
printf 'a\0b\0 \0 c\n\001 \200\201 \377' >nasty/binary
head -c 3000000 /dev/urandom >nasty/random
printf '\n\n\n' >'nasty/quo"te'\'/newlines
printf ' \t\v\f\r ' >nasty/$'\377\001'/spaces
seq 200000 >nasty/numbers
ln -s nothing nasty/link
ln -s missing nasty/dangling
ln -s .. nasty/loop
mkfifo nasty/pipe
for i in $(seq 300); do printf 'w%d' "$i" >"nasty/a b/$i"; done # no white space at either end
same nasty nasty
ok 'nasty: exit code' test "$code" -eq 0
ok 'nasty: quiet' test ! -s err

same 'trailing slash' nasty/
same 'empty directory' nasty/empty
ok 'empty directory: exit code' test "$code" -eq 0
same 'one file' nasty/numbers
ok 'one file: exit code' test "$code" -eq 0
got=$(cd nasty && "$treewc" "${words[@]}")
ok 'default is .' test "$got" = "$("$treewc" "${words[@]}" nasty)"

# A start that is missing, or not to be followed.
same 'missing' no-such
ok 'missing: exit code' test "$code" -eq 1
ok 'missing: named' grep -q 'no-such: No such file' err
same 'link' nasty/loop
ok 'link: exit code' test "$code" -eq 1
"$treewc" -x >/dev/null 2>&1
ok 'usage: exit code' test $? -eq 2
"$treewc" nasty >/dev/full 2>err
ok 'full: exit code' test $? -eq 1

# Deep, but still within reach of one path.
deep=deep$(printf '/d%.0s' $(seq 1500))
mkdir -p "$deep" && printf 'bottom of it' >"$deep/file" && printf 'top\n' >deep/file
same deep deep
ok 'deep: exit code' test "$code" -eq 0
# Deeper than a path can name: cat cannot read it either, and says so.
mkdir deeper && mv deep deeper/deep && mv deeper deepest
for _ in 1 2; do
    mkdir -p "chain$(printf '/c%.0s' $(seq 1000))"
    mv deepest "chain$(printf '/c%.0s' $(seq 1000))/" && mv chain deepest
done
same deepest deepest
ok 'deepest: exit code' test "$code" -eq 1

# More files than may be open at a time.
mkdir many
for i in $(seq 2000); do echo "line $i" >many/$i; done
same many many
(
    ulimit -n 24
    "$treewc" many >out 2>err
)
ok 'few descriptors' test "$(cat out)" = "$(cat many/* | wc)" -a ! -s err

# What may not be read is named and counted; the rest is there.
mkdir -p locked/closed/below locked/list-only
printf 'in the open\n' >locked/open
printf 'secret\n' | tee locked/file locked/closed/below/file locked/list-only/file >/dev/null
chmod 000 locked/file locked/closed
chmod 444 locked/list-only
if "${limited[@]}" test ! -r locked/file 2>/dev/null; then
    same locked locked "${limited[@]}"
    ok 'locked: exit code' test "$code" -eq 1
    ok 'locked: file is named' grep -q 'locked/file: Permission denied' err
    ok 'locked: directory is named' grep -q 'locked/closed: Permission denied' err
    ok 'locked: list-only is named' grep -q 'locked/list-only/file: Permission denied' err
    ok 'locked: counted' grep -q '^treewc: 3 could not be read$' err
else
    echo 'skipped: nothing can be made unreadable here (no setpriv)' >&2
fi
chmod -R u+rwx locked

# A file that opens and cannot be read: the first page of a process is never mapped.
if [ -f /proc/self/mem ]; then
    same 'read error' /proc/self/mem
    ok 'read error: exit code' test "$code" -eq 1
    ok 'read error: named' grep -q 'mem: Input/output error' err
fi

# A tree that changes meanwhile: any answer, but an answer.
mkdir -p busy
(while [ -d busy ]; do
    mkdir -p busy/{a,b,c}/{1,2,3} && touch busy/{a,b,c}/{1,2,3}/{x,y,z}
    rm -rf busy/{a,b,c}
done) 2>/dev/null &
changer=$!
for _ in $(seq 20); do
    timeout 60 "$treewc" busy >/dev/null 2>&1
    code=$?
    [ "$code" -le 1 ] || break
done
kill $changer
wait $changer 2>/dev/null
ok 'changing tree' test "$code" -le 1

# A real one.
same /usr/include /usr/include
same /etc /etc "${limited[@]}"

echo "treewc: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
