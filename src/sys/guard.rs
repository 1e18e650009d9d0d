//! Guards: the low end of a slot, which nobody can read or write.
//!
//! MADV_GUARD_INSTALL (Linux 6.13) splits no mapping, and is asked for when a slot is first used, for many slots in one call.
//! Older kernels get mprotect, which costs two mappings a stack, of which a process has `vm.max_map_count`. There guards are
//! made when slots are mapped, where it can be refused, and up to a quarter of that number, so that the host keeps half of its
//! mappings. What comes then is the program's choice: no stack, or one without a guard.

use super::mem::{self, MADV_GUARD_INSTALL};
use super::{checkers, files};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// How many guards there may be: usize::MAX with MADV_GUARD_INSTALL, 0 if not known yet.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Guards there are, where LIMIT bounds them.
static MADE: AtomicUsize = AtomicUsize::new(0);
static UNGUARDED: AtomicBool = AtomicBool::new(false);
static NO_ADVICE: AtomicBool = AtomicBool::new(false);

/// The program's choices: stacks that can't be guarded go without; and, to see how that is, as if the kernel had no
/// MADV_GUARD_INSTALL. Before the first stack.
pub fn choose(unguarded: bool, no_advice: bool) {
    UNGUARDED.store(unguarded, Relaxed);
    NO_ADVICE.store(no_advice, Relaxed);
    LIMIT.store(0, Relaxed);
}

/// Slots of `size` bytes were mapped at `base`. Answers how many got their guards here; None if that is refused.
pub fn at_mapping(base: *mut u8, slots: usize, size: usize, bytes: usize) -> Option<usize> {
    if LIMIT.load(Relaxed) == 0 {
        look(base);
    }
    let limit = LIMIT.load(Relaxed);
    if limit == usize::MAX {
        return Some(0);
    }
    let before = MADE.fetch_add(slots, Relaxed);
    let wanted = slots.min(limit.saturating_sub(before));
    MADE.fetch_sub(slots - wanted, Relaxed);
    // SAFETY: the low ends of slots that nobody has used yet.
    let made = (0..wanted).take_while(|&n| unsafe { mem::deny(base.add(n * size), bytes) }).count();
    MADE.fetch_sub(wanted - made, Relaxed);
    if made < slots && !UNGUARDED.load(Relaxed) {
        MADE.fetch_sub(made, Relaxed);
        return None;
    }
    Some(made)
}

/// Makes the guards of slots that are used for the first time: their low ends, `bytes` each.
pub fn at_first_use(mut lows: impl Iterator<Item = *mut u8> + Clone, bytes: usize) {
    if LIMIT.load(Relaxed) != usize::MAX {
        return;
    }
    // Where the kernel has no memory for the one way it may have for the other.
    // SAFETY: the low ends of slots that nobody has used yet.
    let made = unsafe {
        mem::advise_all(lows.clone(), bytes, MADV_GUARD_INSTALL)
            || lows.all(|low| mem::advise(low, bytes, MADV_GUARD_INSTALL) || mem::deny(low, bytes))
    };
    if !made {
        crate::throw!("no guard for a stack: error {}", std::io::Error::last_os_error());
    }
}

/// So many guards of those that were made at the mapping are no more.
pub fn unmapped(guards: usize) {
    MADE.fetch_sub(guards, Relaxed);
}

/// Finds out once what kind of guards the kernel has, by putting one at `probe`, where one will be anyway.
fn look(probe: *mut u8) {
    // SAFETY: the low end of a fresh slab, which will be the guard of its first slot.
    let limit = if !checkers::is_valgrind()
        && !NO_ADVICE.load(Relaxed)
        && unsafe { mem::advise(probe, mem::page_size(), MADV_GUARD_INSTALL) }
        && mem::is_denied(probe)
    {
        usize::MAX
    } else {
        let maps = files::parse(c"/proc/sys/vm/max_map_count", |text| text.trim().parse::<usize>().ok());
        maps.unwrap_or(65_530) / 4
    };
    LIMIT.store(limit, Relaxed);
}
