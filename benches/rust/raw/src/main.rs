//! What does it take to leave one context for another, with no scheduler? Two contexts take turns; what counts is the time
//! per switch, of which a turn has two. Beside gort's own switch, of src/sys/context.rs (which the library does not
//! export; the same file is compiled into this program), that of corosensei.
//!
//! usage: raw gort|corosensei [SIZE]
//!
//! gort's switch keeps the FP control words of each context, corosensei's does not.

use std::cell::Cell;
use std::ptr;
use std::time::Instant;

use corosensei::{Coroutine, CoroutineResult};

#[allow(dead_code, reason = "the scheduler uses more of it")]
#[path = "../../../../src/sys/context.rs"]
mod context;

const STACK: usize = 64 << 10;

unsafe extern "C" fn turns(_: *const (), arg: *const ()) -> ! {
    let [main, other]: &[Cell<*mut u8>; 2] = {
        // SAFETY: `gort` hands this over, and outlives the context.
        unsafe { &*arg.cast() }
    };
    loop {
        // SAFETY: the main context has just saved itself there, and waits.
        unsafe { context::switch(other.as_ptr(), main.get(), ptr::null()) };
    }
}

fn gort(size: i64) -> Instant {
    let mut stack = vec![0u8; STACK];
    let top = stack.as_mut_ptr_range().end.map_addr(|end| end & !15);
    let both = [const { Cell::new(ptr::null_mut()) }; 2];
    let [main, other] = &both;
    // SAFETY: the stack is there until the end of this function, and `turns` only runs within it.
    other.set(unsafe { context::initial(top, turns, ptr::from_ref(&both).cast()) });
    let start = Instant::now();
    for _ in 0..size {
        // SAFETY: the other context has saved itself there, or is new.
        unsafe { context::switch(main.as_ptr(), other.get(), ptr::null()) };
    }
    start
}

fn corosensei(size: i64) -> Instant {
    let mut turns = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        for _ in 0..size {
            yielder.suspend(());
        }
    });
    let start = Instant::now();
    while let CoroutineResult::Yield(()) = turns.resume(()) {}
    start
}

fn main() {
    let size = common::size(100_000_000);
    let start = match common::name().as_str() {
        "gort" => gort(size),
        "corosensei" => corosensei(size),
        other => panic!("{other}?"),
    };
    common::report_each("raw", start, 2 * size);
}
