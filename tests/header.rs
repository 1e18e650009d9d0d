//! The header in the tree is the one that `src/capi` generates.

#[test]
fn the_header_has_not_drifted() {
    let generated = include_str!(env!("GORT_GENERATED_HEADER"));
    let committed = include_str!("../include/gort.h");
    assert!(generated == committed, "include/gort.h is not what src/capi generates: run `make header`");
}
