//! Rings: lists linked through what stands on them, first in first out, with no memory of their own. What stands on a ring
//! takes itself off before it goes; that, and the lock that guards all links, is the business of its owner.

use std::ptr;

#[cfg(not(loom))]
use std::cell::Cell;

/// Under loom every access to a link is checked: it must come after those of other threads, by way of the lock.
#[cfg(loom)]
use loom::cell::Cell;

/// What an item needs to stand on one ring at a time. Both are none off the ring.
pub struct Links<T: 'static> {
    next: Cell<Option<&'static T>>,
    prev: Cell<Option<&'static T>>,
}

impl<T> Links<T> {
    pub fn new() -> Self {
        Links { next: Cell::new(None), prev: Cell::new(None) }
    }

    /// Whether the item is on no ring. For models, which check that of what is freed.
    #[cfg(loom)]
    pub fn are_free(&self) -> bool {
        self.next.get().is_none() && self.prev.get().is_none()
    }
}

/// What can stand on a ring.
pub trait Linked: Sized + 'static {
    fn links(&self) -> &Links<Self>;
}

/// The first item, behind whom the others follow in a circle: before the first stands the last.
pub struct Ring<T: 'static> {
    first: Cell<Option<&'static T>>,
}

/// Who stands before an item that is on a ring.
fn before<T: Linked>(item: &T) -> &'static T {
    item.links().prev.get().expect("what is on a ring is linked both ways")
}

fn link<T: Linked>(from: &'static T, to: &'static T) {
    from.links().next.set(Some(to));
    to.links().prev.set(Some(from));
}

impl<T: Linked> Ring<T> {
    pub fn new() -> Self {
        Ring { first: Cell::new(None) }
    }

    /// Adds an item that is on no ring behind all others.
    pub fn push_back(&self, item: &'static T) {
        link(item, item);
        self.append_from(item);
    }

    /// Adds all that `other` has behind all that is here.
    pub fn append(&self, other: &Ring<T>) {
        if let Some(first) = other.first.take() {
            self.append_from(first);
        }
    }

    /// Adds the circle that begins with `item`.
    fn append_from(&self, item: &'static T) {
        match self.first.get() {
            None => self.first.set(Some(item)),
            Some(first) => {
                let (last, last_of_item) = (before(first), before(item));
                link(last, item);
                link(last_of_item, first);
            }
        }
    }

    /// Takes an item off that is on this ring or on none; true if it was on this.
    pub fn remove(&self, item: &T) -> bool {
        let links = item.links();
        let (Some(next), Some(prev)) = (links.next.take(), links.prev.take()) else { return false };
        if ptr::eq(next, item) {
            self.first.set(None);
            return true;
        }
        link(prev, next);
        if self.first.get().is_some_and(|first| ptr::eq(first, item)) {
            self.first.set(Some(next));
        }
        true
    }

    /// Takes the first item off.
    pub fn pop_front(&self) -> Option<&'static T> {
        let first = self.first.get()?;
        self.remove(first);
        Some(first)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Item(u32, Links<Item>);

    impl Linked for Item {
        fn links(&self) -> &Links<Item> {
            &self.1
        }
    }

    fn items<const N: usize>() -> [&'static Item; N] {
        std::array::from_fn(|i| &*Box::leak(Box::new(Item(i as u32, Links::new()))))
    }

    fn numbers(ring: &Ring<Item>) -> Vec<u32> {
        std::iter::from_fn(|| ring.pop_front()).map(|i| i.0).collect()
    }

    #[test]
    fn first_in_first_out() {
        let ring = Ring::new();
        assert!(ring.pop_front().is_none());
        for _ in 0..2 {
            for item in items::<4>() {
                ring.push_back(item);
            }
            assert_eq!(numbers(&ring), [0, 1, 2, 3]);
        }
    }

    #[test]
    fn any_item_can_be_taken_off() {
        for gone in 0..3 {
            let (ring, all) = (Ring::new(), items::<3>());
            assert!(!ring.remove(all[gone]), "it is on none");
            all.into_iter().for_each(|i| ring.push_back(i));
            assert!(ring.remove(all[gone]));
            assert!(!ring.remove(all[gone]), "no more");
            ring.push_back(all[gone]);
            let want: Vec<_> = (0..3).filter(|&i| i != gone as u32).chain([gone as u32]).collect();
            assert_eq!(numbers(&ring), want);
        }
    }

    #[test]
    fn rings_are_joined_in_order() {
        for (here, there) in [(0, 0), (0, 3), (3, 0), (1, 1), (2, 3)] {
            let (ring, other, all) = (Ring::new(), Ring::new(), items::<6>());
            all[..here].iter().for_each(|&i| ring.push_back(i));
            all[here..here + there].iter().for_each(|&i| other.push_back(i));
            ring.append(&other);
            assert!(other.pop_front().is_none());
            assert_eq!(numbers(&ring), (0..(here + there) as u32).collect::<Vec<_>>());
        }
    }
}
