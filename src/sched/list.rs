//! Lists of goroutines, linked through the records: no memory of their own.

use super::g::G;
use std::cell::Cell;

/// A list of goroutines, linked through the records.
#[derive(Default)]
pub struct GList {
    head: Cell<Option<&'static G>>,
    tail: Cell<Option<&'static G>>,
    len: Cell<usize>,
}

impl GList {
    pub const fn new() -> Self {
        GList { head: Cell::new(None), tail: Cell::new(None), len: Cell::new(0) }
    }

    pub fn len(&self) -> usize {
        self.len.get()
    }

    pub fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    /// Adds at the end: [`pop`](Self::pop) finds it after all others.
    pub fn push_back(&self, g: &'static G) {
        g.link.set(None);
        match self.tail.replace(Some(g)) {
            Some(last) => last.link.set(Some(g)),
            None => self.head.set(Some(g)),
        }
        self.len.set(self.len.get() + 1);
    }

    /// Adds at the front: [`pop`](Self::pop) finds it first.
    pub fn push_front(&self, g: &'static G) {
        g.link.set(self.head.replace(Some(g)));
        if g.link.get().is_none() {
            self.tail.set(Some(g));
        }
        self.len.set(self.len.get() + 1);
    }

    pub fn pop(&self) -> Option<&'static G> {
        let g = self.head.get()?;
        self.head.set(g.link.take());
        if self.head.get().is_none() {
            self.tail.set(None);
        }
        self.len.set(self.len.get() - 1);
        Some(g)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::records::{allocate, release};
    use super::*;
    use std::ptr;

    #[test]
    fn lists_keep_their_order() {
        let list = GList::new();
        assert!(allocate(&list, 3));
        let [a, b, c] = [list.pop().unwrap(), list.pop().unwrap(), list.pop().unwrap()];
        assert!(list.is_empty());
        list.push_back(a);
        list.push_back(b);
        list.push_front(c);
        for expected in [c, a, b] {
            assert!(ptr::eq(list.pop().unwrap(), expected));
        }
        assert!(list.pop().is_none());
        for g in [a, b, c] {
            list.push_back(g);
        }
        release(&list, 3);
    }
}
