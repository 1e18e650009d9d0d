//! A set of small numbers that knows its least member. One bit each; room is made before, so that adding cannot fail.

/// See the file's header.
pub struct Bits {
    words: Vec<u64>,
    /// All words before this one are empty.
    first: usize,
}

impl Bits {
    pub const fn new() -> Bits {
        Bits { words: Vec::new(), first: 0 }
    }

    /// Makes room for the numbers below `end`. False if no memory is left.
    #[must_use]
    pub fn make_room(&mut self, end: usize) -> bool {
        let more = end.div_ceil(64).saturating_sub(self.words.len());
        let ok = self.words.try_reserve(more).is_ok();
        if ok {
            self.words.resize(self.words.len() + more, 0);
        }
        ok
    }

    /// Adds a number for which there is room.
    pub fn add(&mut self, n: usize) {
        self.words[n / 64] |= 1 << (n % 64);
        self.first = self.first.min(n / 64);
    }

    pub fn remove(&mut self, n: usize) {
        self.words[n / 64] &= !(1 << (n % 64));
    }

    /// Adds or removes.
    pub fn set(&mut self, n: usize, is_in: bool) {
        if is_in {
            self.add(n);
        } else {
            self.remove(n);
        }
    }

    /// The least member.
    pub fn least(&mut self) -> Option<usize> {
        while let Some(&word) = self.words.get(self.first) {
            if word != 0 {
                return Some(self.first * 64 + word.trailing_zeros() as usize);
            }
            self.first += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_comes_first() {
        let mut b = Bits::new();
        assert_eq!(b.least(), None);
        assert!(b.make_room(1000));
        for n in [999, 64, 63, 500] {
            b.add(n);
        }
        for n in [63, 64, 500] {
            assert_eq!(b.least(), Some(n));
            b.remove(n);
        }
        b.set(3, true);
        assert_eq!(b.least(), Some(3));
        b.set(3, false);
        assert_eq!(b.least(), Some(999));
        b.remove(999);
        assert_eq!(b.least(), None);
        b.add(0);
        assert_eq!(b.least(), Some(0));
    }
}
