//! A 4-ary min-heap of (when, item) pairs. Pure: it knows neither clocks nor goroutines.
//!
//! Four children a node make it half as deep as a binary heap, and the four lie side by side; the times stand in
//! the heap itself, so comparing follows no pointer. Items that died in place are dropped in one sweep
//! ([`Heap::retain`]), never searched for.

const ARITY: usize = 4;

/// See the file's header.
pub struct Heap<T> {
    items: Vec<(i64, T)>,
    /// Room that was promised and is not used yet.
    held: usize,
}

impl<T: Copy> Heap<T> {
    pub const fn new() -> Self {
        Heap { items: Vec::new(), held: 0 }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|i| &i.1)
    }

    /// The earliest time, if there is one.
    #[inline]
    pub fn earliest(&self) -> Option<i64> {
        self.items.first().map(|i| i.0)
    }

    /// Makes room for `n` more items, beside what was promised. False if no memory is left.
    #[inline]
    #[must_use]
    pub fn reserve(&mut self, n: usize) -> bool {
        let n = self.held + n;
        self.items.capacity() - self.items.len() >= n || self.items.try_reserve(n).is_ok()
    }

    /// Promises room for one item, until [`push_held`](Self::push_held) or [`let_go`](Self::let_go). False if no memory is
    /// left.
    #[must_use]
    pub fn hold(&mut self) -> bool {
        let ok = self.reserve(1);
        self.held += ok as usize;
        ok
    }

    /// A promise is not needed.
    pub fn let_go(&mut self) {
        self.held -= 1;
    }

    /// Adds an item for which room was promised.
    pub fn push_held(&mut self, when: i64, item: T) {
        self.let_go();
        self.push(when, item);
    }

    /// Adds an item. The caller has reserved the room.
    #[inline]
    pub fn push(&mut self, when: i64, item: T) {
        debug_assert!(self.items.len() + self.held < self.items.capacity());
        self.items.push((when, item));
        self.sift_up(self.items.len() - 1);
    }

    /// Moves everything that `from` has here. False, and nothing moved, if no memory is left.
    #[must_use]
    pub fn take_over(&mut self, from: &mut Heap<T>) -> bool {
        if !self.reserve(from.len()) {
            return false;
        }
        while let Some((when, item)) = from.items.pop() {
            self.push(when, item);
        }
        true
    }

    /// The earliest item.
    pub fn first(&self) -> Option<&T> {
        Some(&self.items.first()?.1)
    }

    /// Takes the earliest item if its time is `now` or before.
    pub fn pop_due(&mut self, now: i64) -> Option<T> {
        if self.earliest()? > now {
            return None;
        }
        let item = self.items.swap_remove(0).1;
        if !self.items.is_empty() {
            self.sift_down(0);
        }
        Some(item)
    }

    /// Drops every item that `keep` refuses, in time linear in the size.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.items.retain(|i| keep(&i.1));
        // Memory goes back only after a flood: what comes and goes all the time keeps its room. So it does where a smaller
        // block is not to be had.
        let wanted = self.items.len() + self.held;
        if self.items.capacity() > 4096 && wanted * 16 < self.items.capacity() {
            let mut fewer = Vec::new();
            if fewer.try_reserve_exact(wanted * 4).is_ok() {
                fewer.append(&mut self.items);
                self.items = fewer;
            }
        }
        for i in (0..self.items.len().div_ceil(ARITY)).rev() {
            self.sift_down(i);
        }
    }

    fn sift_up(&mut self, mut at: usize) {
        let moving = self.items[at];
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if self.items[parent].0 <= moving.0 {
                break;
            }
            self.items[at] = self.items[parent];
            at = parent;
        }
        self.items[at] = moving;
    }

    fn sift_down(&mut self, mut at: usize) {
        let len = self.items.len();
        let Some(&moving) = self.items.get(at) else {
            return;
        };
        loop {
            let first = at * ARITY + 1;
            if first >= len {
                break;
            }
            let last = (first + ARITY).min(len);
            let mut least = first;
            for child in first + 1..last {
                if self.items[child].0 < self.items[least].0 {
                    least = child;
                }
            }
            if moving.0 <= self.items[least].0 {
                break;
            }
            self.items[at] = self.items[least];
            at = least;
        }
        self.items[at] = moving;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn comes_out_in_order() {
        let mut seed = 42;
        let mut heap = Heap::new();
        let mut expected = Vec::new();
        for i in 0..5000u64 {
            let when = (random(&mut seed) % 1000) as i64;
            assert!(heap.reserve(1));
            heap.push(when, i);
            expected.push(when);
        }
        expected.sort_unstable();
        for &when in &expected {
            assert_eq!(heap.earliest(), Some(when));
            assert!(heap.pop_due(when - 1).is_none());
            assert!(heap.pop_due(when).is_some());
        }
        assert_eq!(heap.len(), 0);
    }

    #[test]
    fn retain_keeps_the_order() {
        let mut seed = 7;
        let mut heap = Heap::new();
        for _ in 0..3000 {
            let when = (random(&mut seed) % 10_000) as i64;
            assert!(heap.reserve(1));
            heap.push(when, when);
        }
        heap.retain(|w| w % 3 == 0);
        let (mut last, mut n) = (i64::MIN, 0);
        while let Some(w) = heap.pop_due(i64::MAX) {
            assert!(w % 3 == 0 && w >= last);
            (last, n) = (w, n + 1);
        }
        assert!(n > 800);
    }

    #[test]
    fn promised_room_is_kept() {
        let mut heap = Heap::new();
        for i in 0..5000 {
            assert!(heap.reserve(1));
            heap.push(5000 - i, i);
            assert!(i % 50 != 0 || heap.hold());
        }
        assert_eq!((heap.len(), heap.held), (5000, 100));
        heap.retain(|i| i % 1000 == 0);
        let room = heap.items.capacity();
        assert!((105..4096).contains(&room), "{room}");
        while heap.len() + heap.held < room {
            assert!(heap.reserve(1));
            heap.push(1, 1);
        }
        for i in 0..100 {
            if i % 2 == 0 { heap.push_held(i, i) } else { heap.let_go() }
        }
        assert_eq!((heap.len(), heap.held, heap.items.capacity()), (room - 50, 0, room));
    }

    #[test]
    fn one_heap_takes_over_another() {
        let (mut a, mut b) = (Heap::new(), Heap::new());
        for i in 0..100 {
            let to = if i % 3 == 0 { &mut a } else { &mut b };
            assert!(to.reserve(1));
            to.push(i, i);
        }
        assert!(b.hold());
        assert!(a.take_over(&mut b));
        assert_eq!((a.len(), b.len()), (100, 0));
        assert!(b.items.capacity() > 0, "room that was promised stays");
        for i in 0..100 {
            assert_eq!(a.pop_due(i), Some(i));
        }
    }

    #[test]
    fn nothing_is_never_due() {
        let mut heap: Heap<u32> = Heap::new();
        assert_eq!(heap.earliest(), None);
        assert_eq!(heap.pop_due(i64::MAX), None);
        heap.retain(|_| false);
        assert_eq!(heap.len(), 0);
    }
}
