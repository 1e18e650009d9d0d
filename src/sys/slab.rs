//! The slots of one stack size, in slabs: which are free, which of these hold memory, and which have been idle.
//!
//! A slab is a run of slots of one mapping. Its slots are handed out in order the first time; freed ones come back in last
//! in, first out order. At the bottom of that pile are the *cold* ones, whose memory was given back; `floor` is how low the
//! pile has been since the last look, so what lies below it was used by nobody in between. Lower slabs are used first: so
//! those above become free as a whole, and can be unmapped.
//!
//! Bookkeeping only: nothing here maps, touches or advises memory.

use super::bits::Bits;

/// The most slots of a slab.
pub const SLOTS: usize = 128;

/// A slot: its upper end, and the number of its slab.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub top: *mut u8,
    pub slab: u32,
}

struct Slab {
    /// Null for a number that is not in use.
    base: *mut u8,
    slots: u8,
    /// Slots that were handed out at least once.
    handed: u8,
    free: [u8; SLOTS],
    len: u8,
    cold: u8,
    floor: u8,
    /// A look has come by since it was mapped.
    seen: bool,
    /// Guards that count against the limit of mappings.
    guards: u8,
}

/// What slots from [`Slabs::take`] are like; all of one call are alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// In use before, memory and all.
    Warm,
    /// In use before, without memory.
    Cold,
    /// Never used.
    Fresh,
}

/// What a look at a slab found to be given back. It lives for a moment on a stack, large or not.
#[allow(clippy::large_enum_variant)]
pub enum Idle {
    /// The slots with these upper ends: their memory. They are cold from here on.
    Slots([*mut u8; SLOTS], usize),
    /// All of it. The slab is gone from here on.
    Slab(Whole),
}

/// A slab as a whole.
#[derive(Clone, Copy)]
pub struct Whole {
    pub base: *mut u8,
    pub slots: usize,
    /// Slots that hold no memory.
    pub empty: usize,
    /// Guards that count against the limit of mappings.
    pub guards: usize,
}

/// See the file's header.
pub struct Slabs {
    slabs: Vec<Slab>,
    /// Slabs with free slots that hold memory; with other free slots; and numbers that are not in use.
    warm: Bits,
    other: Bits,
    unused: Bits,
}

impl Slabs {
    pub const fn new() -> Slabs {
        Slabs { slabs: Vec::new(), warm: Bits::new(), other: Bits::new(), unused: Bits::new() }
    }

    /// Makes room for `n` more slabs. False if no memory is left.
    #[must_use]
    pub fn make_room(&mut self, n: usize) -> bool {
        let end = self.slabs.len() + n;
        self.slabs.try_reserve(n).is_ok()
            && self.warm.make_room(end)
            && self.other.make_room(end)
            && self.unused.make_room(end)
    }

    /// Adds a slab for which there is room.
    pub fn add(&mut self, base: *mut u8, slots: usize, guards: usize) {
        debug_assert!(0 < slots && slots <= SLOTS && guards <= slots);
        let (slots, guards) = (slots as u8, guards as u8);
        let slab = Slab { base, slots, handed: 0, free: [0; SLOTS], len: 0, cold: 0, floor: 0, seen: false, guards };
        let n = match self.unused.least() {
            Some(n) => {
                self.unused.remove(n);
                self.slabs[n] = slab;
                n
            }
            None => {
                self.slabs.push(slab);
                self.slabs.len() - 1
            }
        };
        self.other.add(n);
    }

    /// Fills `out` as far as slots of one kind go, and at most `most` that are not warm. None left: 0.
    pub fn take(&mut self, size: usize, out: &mut [Slot], most: usize) -> (Kind, usize) {
        let mut taken = 0;
        while taken < out.len()
            && let Some(n) = self.warm.least()
        {
            let slab = &mut self.slabs[n];
            while taken < out.len() && slab.len > slab.cold {
                out[taken] = slab.pop(n, size);
                taken += 1;
            }
            self.file(n);
        }
        if taken > 0 {
            return (Kind::Warm, taken);
        }
        let Some(n) = self.other.least() else { return (Kind::Fresh, 0) };
        let slab = &mut self.slabs[n];
        let kind = if slab.cold > 0 { Kind::Cold } else { Kind::Fresh };
        for slot in out.iter_mut().take(most) {
            *slot = match kind {
                Kind::Cold if slab.len > 0 => {
                    slab.cold -= 1;
                    slab.pop(n, size)
                }
                Kind::Fresh if slab.handed < slab.slots => {
                    slab.handed += 1;
                    slab.slot(n, slab.handed - 1, size)
                }
                _ => break,
            };
            taken += 1;
        }
        self.file(n);
        (kind, taken)
    }

    /// Takes slots back.
    pub fn give(&mut self, size: usize, slots: &[Slot]) {
        for s in slots {
            let slab = &mut self.slabs[s.slab as usize];
            debug_assert!(s.top > slab.base && slab.len < slab.handed);
            slab.free[slab.len as usize] = ((s.top as usize - slab.base as usize) / size - 1) as u8;
            slab.len += 1;
            self.warm.add(s.slab as usize);
        }
    }

    /// How many numbers of slabs there are.
    pub fn numbers(&self) -> usize {
        self.slabs.len()
    }

    /// A slab, if it is in use.
    pub fn whole(&self, n: usize) -> Option<Whole> {
        let s = self.slabs.get(n)?;
        let empty = (s.slots - s.handed + s.cold) as usize;
        let whole = Whole { base: s.base, slots: s.slots as usize, empty, guards: s.guards as usize };
        (!s.base.is_null()).then_some(whole)
    }

    /// Looks at a slab: what nobody has used since the last look is to be given back, the slab as a whole if `may_go`.
    pub fn look(&mut self, n: usize, size: usize, may_go: impl FnOnce(usize) -> bool) -> Option<Idle> {
        let whole = self.whole(n)?;
        let slab = &mut self.slabs[n];
        let floor = std::mem::replace(&mut slab.floor, slab.len);
        if !std::mem::replace(&mut slab.seen, true) {
            return None;
        }
        if floor == slab.handed && may_go(whole.slots) {
            (slab.base, slab.len, slab.handed, slab.cold, slab.slots) = (std::ptr::null_mut(), 0, 0, 0, 0);
            self.file(n);
            self.unused.add(n);
            return Some(Idle::Slab(whole));
        }
        if floor <= slab.cold {
            return None;
        }
        let mut idle = [std::ptr::null_mut(); SLOTS];
        let range = slab.cold as usize..floor as usize;
        let slab = &self.slabs[n];
        for (to, &from) in idle.iter_mut().zip(&slab.free[range.clone()]) {
            *to = slab.slot(n, from, size).top;
        }
        self.slabs[n].cold = floor;
        self.file(n);
        Some(Idle::Slots(idle, range.len()))
    }

    /// Whether a look may find more the next time: a free slot holds memory, or a slab is new.
    pub fn has_more(&mut self) -> bool {
        self.warm.least().is_some() || self.slabs.iter().any(|s| !s.base.is_null() && !s.seen)
    }

    /// Files a slab under what it has.
    fn file(&mut self, n: usize) {
        let slab = &self.slabs[n];
        self.warm.set(n, slab.len > slab.cold);
        self.other.set(n, slab.cold > 0 || slab.handed < slab.slots);
    }
}

impl Slab {
    fn slot(&self, n: usize, index: u8, size: usize) -> Slot {
        Slot { top: self.base.wrapping_add((index as usize + 1) * size), slab: n as u32 }
    }

    fn pop(&mut self, n: usize, size: usize) -> Slot {
        self.len -= 1;
        self.floor = self.floor.min(self.len);
        self.slot(n, self.free[self.len as usize], size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1 << 16;
    const NONE: Slot = Slot { top: std::ptr::null_mut(), slab: 0 };

    fn at(n: usize) -> *mut u8 {
        std::ptr::without_provenance_mut(n * SIZE)
    }

    /// One slab of `slots` at 16, another at 1000.
    fn two(slots: usize) -> Slabs {
        let mut s = Slabs::new();
        assert!(s.make_room(2));
        s.add(at(16), slots, 0);
        s.add(at(1000), slots, 0);
        s
    }

    fn take(s: &mut Slabs, n: usize, most: usize) -> (Kind, Vec<Slot>) {
        let mut out = vec![NONE; n];
        let (kind, taken) = s.take(SIZE, &mut out, most);
        out.truncate(taken);
        (kind, out)
    }

    #[test]
    fn fresh_ones_come_in_order_and_no_slot_twice() {
        let mut s = two(3);
        let (kind, a) = take(&mut s, 10, 2);
        assert_eq!((kind, a.len()), (Kind::Fresh, 2));
        assert!(a[0].top == at(17) && a[1].top == at(18));
        assert_eq!(take(&mut s, 10, 10).1.len(), 1, "as far as the slab goes");
        let (_, b) = take(&mut s, 10, 10);
        assert!(b.len() == 3 && b[0].top == at(1001) && b[0].slab == 1);
        assert_eq!(take(&mut s, 1, 1).1.len(), 0);
    }

    #[test]
    fn what_was_freed_last_is_used_first() {
        let mut s = two(3);
        let (_, a) = take(&mut s, 3, 3);
        s.give(SIZE, &a);
        let (kind, b) = take(&mut s, 2, 1);
        assert_eq!(kind, Kind::Warm);
        assert!(b[0] == a[2] && b[1] == a[1]);
    }

    #[test]
    fn only_what_lay_there_all_the_time_is_idle() {
        let mut s = two(4);
        let (_, a) = take(&mut s, 4, 4);
        assert!(s.look(0, SIZE, |_| true).is_none(), "in use");
        s.give(SIZE, &a[..3]);
        assert!(s.look(0, SIZE, |_| true).is_none(), "freed since");
        assert!(s.has_more());
        let (_, b) = take(&mut s, 1, 1);
        s.give(SIZE, &b);
        let Some(Idle::Slots(tops, 2)) = s.look(0, SIZE, |_| true) else { panic!("two lay below the one in use") };
        assert!(tops[0] == a[0].top && tops[1] == a[1].top);
        let (kind, c) = take(&mut s, 3, 3);
        assert!(kind == Kind::Warm && c.len() == 1 && c[0] == b[0]);
        let (kind, d) = take(&mut s, 3, 3);
        assert!(kind == Kind::Cold && d.len() == 2);
    }

    #[test]
    fn a_slab_goes_when_it_may_and_its_number_is_used_again() {
        let mut s = two(2);
        let (_, a) = take(&mut s, 2, 2);
        s.give(SIZE, &a);
        assert!(s.look(0, SIZE, |_| true).is_none());
        assert!(matches!(s.look(0, SIZE, |_| false), Some(Idle::Slots(_, 2))), "promised: only its memory");
        assert!(
            matches!(s.look(0, SIZE, |_| true), Some(Idle::Slab(w)) if w.base == at(16) && w.slots == 2 && w.empty == 2)
        );
        assert!(s.whole(0).is_none());
        assert!(s.look(0, SIZE, |_| true).is_none());
        assert!(s.look(1, SIZE, |_| true).is_none(), "nobody may have come to use it yet");
        assert!(matches!(s.look(1, SIZE, |_| true), Some(Idle::Slab(w)) if w.base == at(1000)));
        assert!(s.make_room(1));
        s.add(at(500), 1, 1);
        let (_, b) = take(&mut s, 1, 1);
        assert!(b[0].slab == 0 && b[0].top == at(501));
    }
}
