//! Names the library's soname after its major version, and generates the C header from `src/capi`.
//!
//! The header in the tree, `include/gort.h`, is a copy of what this writes to the build folder; a test compares the two,
//! and `make header` copies it.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=src/capi");
    println!("cargo:rerun-if-changed=asm");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");

    let version = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}")).expect("cargo sets the version");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libgort.so.{}", version("MAJOR"));
    // Goroutines may stand in the library's code when the host closes it: it stays.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets the folder"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets the folder")).join("gort.h");
    let constants = ["MAJOR", "MINOR", "PATCH"].map(|p| format!("#define RT_VERSION_{p} {}\n", version(p))).concat();
    let mut text = Vec::new();
    header(&root, constants).write(&mut text);
    // The comments in src/capi have their stars already, and the generator puts its own before them.
    let text = String::from_utf8(text)
        .expect("the sources are UTF-8")
        .replace("\n * * ", "\n * ")
        .replace("\n * *\n", "\n *\n");
    std::fs::write(&out, text).expect("the build folder can be written");
    println!("cargo:rustc-env=GORT_GENERATED_HEADER={}", out.display());
}

fn header(root: &std::path::Path, version: String) -> cbindgen::Bindings {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(
            "/*\n * gort: goroutines, channels and a scheduler for C and C++.\n *\n \
             * Generated from src/capi; do not edit.\n *\n \
             * Results are RT_OK or negative errno values; every call leaves errno as it found it. Any thread may make any\n \
             * call: on a goroutine a blocking call parks the goroutine, on any other thread it blocks that thread. Times are\n \
             * nanoseconds on CLOCK_MONOTONIC. Outputs are written only on success, except where a call says otherwise.\n \
             * A wait that must block starts the runtime where it is down, and then may also answer RT_ENOMEM or RT_ECANCELED.\n *\n \
             * The first call of a thread makes a record for it. Where there is no memory for that, what starts, makes, waits, tries\n \
             * or asks answers RT_ENOMEM or NULL, and has done nothing; what gives back or wakes goes all the same; and rt_self, which\n \
             * is never NULL, ends the process with one line.\n */"
                .into(),
        ),
        include_guard: Some("GORT_H".into()),
        no_includes: true,
        sys_includes: ["errno.h", "stdbool.h", "stddef.h", "stdint.h", "sys/socket.h", "sys/types.h"].map(String::from).to_vec(),
        after_includes: Some(format!(
            "\n{version}\n\
             /* In C++ no call throws. */\n#ifdef __cplusplus\n#define RT_NOEXCEPT noexcept\n#else\n#define RT_NOEXCEPT\n#endif\n\n\
             /* From <sys/uio.h>, <poll.h> and <netdb.h>, which those need who use them. */\n\
             struct iovec;\nstruct pollfd;\nstruct addrinfo;"
        )),
        cpp_compat: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        style: cbindgen::Style::Both,
        usize_is_size_t: true,
        line_length: 120,
        tab_width: 4,
        ..cbindgen::Config::default()
    };
    for name in ["iovec", "pollfd", "addrinfo", "sockaddr", "msghdr"] {
        config.export.rename.insert(name.into(), format!("struct {name}"));
    }
    config.function.postfix = Some("RT_NOEXCEPT".into());
    config.function.sort_by = Some(cbindgen::SortKey::None);
    config.sort_by = cbindgen::SortKey::None;
    let files = [
        "base",
        "lifecycle",
        "home",
        "goroutine",
        "blocking",
        "park",
        "time",
        "chan",
        "select",
        "sync",
        "locks",
        "context",
        "group",
        "key",
        "net",
        "socket",
        "file",
        "observe",
    ];
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in files {
        builder = builder.with_src(root.join(format!("src/capi/{file}.rs")));
    }
    builder.generate().expect("the header can be generated from src/capi")
}
