//! What a model (`--cfg loom`) needs of a goroutine's record: every loom thread is a plain thread.

use super::state::StateWord;
use std::cell::Cell;
use std::ffi::c_void;

/// See `g.rs`.
pub struct G {
    pub word: StateWord,
    pub link: Cell<Option<&'static G>>,
    pub timed_out: Cell<bool>,
}

/// See `g.rs`. A model's function may panic: that is how loom fails it.
pub type GoFn = unsafe extern "C-unwind" fn(*mut c_void);

/// See `g.rs`.
#[derive(Clone, Copy)]
pub struct EndHook {
    pub f: unsafe fn(*const ()),
    pub arg: *const (),
}

/// See `g.rs`.
pub type UnlockFn = unsafe extern "C" fn(*mut G, *mut c_void) -> bool;

// SAFETY: as in g.rs: the state word passes the cells from owner to owner.
unsafe impl Sync for G {}

impl G {
    pub fn model() -> Self {
        G { word: StateWord::default(), link: Cell::new(None), timed_out: Cell::new(false) }
    }

    pub fn expect(&self) {}
}
