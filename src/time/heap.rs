//! A 4-ary min-heap of (when, item) pairs. Pure: it knows neither clocks nor goroutines.
//!
//! Four children a node make it half as deep as a binary heap, and the four lie side by side; the times stand in
//! the heap itself, so comparing follows no pointer. Items that died in place are dropped in one sweep
//! ([`Heap::retain`]), never searched for.

const ARITY: usize = 4;

/// See the file's header.
pub struct Heap<T> {
    items: Vec<(i64, T)>,
}

impl<T: Copy> Heap<T> {
    pub const fn new() -> Self {
        Heap { items: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|i| &i.1)
    }

    /// Everything in it, in no order.
    pub fn into_items(self) -> Vec<(i64, T)> {
        self.items
    }

    /// The earliest time, if there is one.
    #[inline]
    pub fn earliest(&self) -> Option<i64> {
        self.items.first().map(|i| i.0)
    }

    /// Makes room for one more item. False if no memory is left.
    #[inline]
    #[must_use]
    pub fn reserve_one(&mut self) -> bool {
        self.items.len() < self.items.capacity() || self.items.try_reserve(1).is_ok()
    }

    /// Adds an item. The caller has reserved the room.
    #[inline]
    pub fn push(&mut self, when: i64, item: T) {
        debug_assert!(self.items.len() < self.items.capacity());
        self.items.push((when, item));
        self.sift_up(self.items.len() - 1);
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
        // Memory goes back only after a flood: what comes and goes all the time keeps its room.
        if self.items.capacity() > 4096 && self.items.len() * 16 < self.items.capacity() {
            self.items.shrink_to(self.items.len() * 4);
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
            assert!(heap.reserve_one());
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
            assert!(heap.reserve_one());
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
    fn nothing_is_never_due() {
        let mut heap: Heap<u32> = Heap::new();
        assert_eq!(heap.earliest(), None);
        assert_eq!(heap.pop_due(i64::MAX), None);
        heap.retain(|_| false);
        assert_eq!(heap.len(), 0);
    }
}
