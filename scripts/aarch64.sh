#!/usr/bin/env bash
# Builds the library for aarch64 with a cross compiler, and runs the C tests on it under qemu.
# usage: aarch64.sh [ARGUMENT OF CTEST]...
set -euo pipefail
cd "$(dirname "$0")/.."

triple=aarch64-unknown-linux-gnu
root=/usr/aarch64-linux-gnu
build=target/cmake-aarch64

if [ "$(uname -m)" = aarch64 ]; then
    echo 'aarch64: this is one, all the other tests have run on it'
    exit 0
elif [ "$(uname -m)" != x86_64 ]; then
    echo "aarch64: skipped, there is no recipe for building on $(uname -m)"
    exit 0
fi
scripts/deps.sh aarch64

# A rustc that has the standard library of the target: the usual one, else the one Debian builds its browsers with.
usable() {
    local libdir
    libdir=$("$1" --print target-libdir --target $triple 2>/dev/null) && [ -n "$(ls "$libdir"/libstd-* 2>/dev/null)" ]
}
for rustc in "$(command -v rustc)" $(dpkg -L rustc-web 2>/dev/null | grep '/bin/rustc$'); do
    if usable "$rustc"; then
        break
    fi
    rustc=
done
if [ -z "$rustc" ]; then
    echo "aarch64: no rustc has the standard library for $triple" >&2
    exit 1
fi
echo "aarch64: $("$rustc" --version), $(qemu-aarch64 --version | head -n 1)"

# Another compiler, so directories of its own: what the host builds stays as it is. Build scripts run on the host and
# are built by the same rustc, whose flags for the host must not reach the target.
export RUSTC=$rustc
export CARGO_TARGET_DIR=$PWD/target/aarch64
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS LDFLAGS
cargo build --release --target $triple

# The program's loader comes from $root, so its libc has to as well. Without the library path, the loader would follow
# the host's cache to the libc of the foreign architecture, which may be a newer build that this loader does not fit;
# pthread_create then spins forever.
emulator="qemu-aarch64;-L;$root;-E;LD_LIBRARY_PATH=$root/lib"
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    -DCMAKE_CROSSCOMPILING_EMULATOR="$emulator" \
    -DGORT_CARGO_TARGET=$triple -DGORT_RUSTC="$rustc"
cmake --build $build
ctest --test-dir $build --output-on-failure -j $(($(nproc) * 2)) "$@"
