//! Memory of objects that several parties hold and the last one frees: channels and timers.
//!
//! In a model, what was freed stays in ruins until the run is over: whoever comes too late finds no object of loom's
//! in it, which fails the model. So do a second free, and memory that is never freed. Addresses rise in the order of
//! the calls, in every run alike: a select locks in their order.

#[cfg(not(loom))]
pub use std::alloc::{alloc, dealloc};

#[cfg(loom)]
mod model {
    use std::alloc::Layout;
    use std::sync::Mutex;

    /// More than any model needs.
    const ALL: Layout = Layout::new::<[u128; 1024]>();

    struct Memory {
        start: *mut u8,
        used: usize,
        /// Where each block begins, until it is freed.
        live: Vec<*mut u8>,
    }

    struct Shared(Mutex<Memory>);

    loom::lazy_static! {
        static ref MEMORY: Shared = {
            // SAFETY: the layout is not empty.
            let start = unsafe { std::alloc::alloc(ALL) };
            assert!(!start.is_null());
            Shared(Mutex::new(Memory { start, used: 0, live: Vec::new() }))
        };
    }

    /// # Safety
    /// As that of std.
    pub unsafe fn alloc(layout: Layout) -> *mut u8 {
        let mut memory = MEMORY.0.lock().unwrap();
        assert!(layout.align() <= ALL.align() && memory.used + layout.size() <= ALL.size());
        let at = memory.start.wrapping_add(memory.used);
        memory.used += layout.size().next_multiple_of(ALL.align());
        memory.live.push(at);
        at
    }

    /// # Safety
    /// As that of std.
    pub unsafe fn dealloc(at: *mut u8, layout: Layout) {
        let mut memory = MEMORY.0.lock().unwrap();
        let Some(block) = memory.live.iter().position(|&b| b == at) else {
            drop(memory);
            panic!("freed twice");
        };
        memory.live.swap_remove(block);
        // SAFETY: inside the memory of the run, and nobody's any more. All ones are the number of no object of loom's.
        unsafe { at.write_bytes(0xFF, layout.size()) };
    }

    impl Drop for Shared {
        fn drop(&mut self) {
            if std::thread::panicking() {
                // The model has failed, and other threads of it may still be unwound.
                return;
            }
            let memory = self.0.get_mut().unwrap();
            // SAFETY: made with this layout; all threads of the run have ended.
            unsafe { std::alloc::dealloc(memory.start, ALL) };
            let kept = memory.live.len();
            assert!(kept == 0, "{kept} blocks were never freed");
        }
    }
}

#[cfg(loom)]
pub use model::{alloc, dealloc};
