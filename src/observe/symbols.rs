//! Names of functions from the symbol tables of files: those that `dladdr` does not know, as C's static ones.
//!
//! The files of loaded objects are mapped while a dump lasts, and searched from end to end; what was found is kept, since
//! goroutines wait in the same few places. Nothing is allocated: this also runs where a goroutine has overflowed its
//! stack. Files that were stripped, or that are other files by now, have no names, or at worst wrong ones.

use crate::sys::mem;
use std::cell::Cell;
use std::ffi::CStr;

const OBJECTS: usize = 16;
const KEPT: usize = 24;

/// The objects looked at so far.
pub struct Symbols {
    objects: [Cell<Option<Object>>; OBJECTS],
    len: Cell<usize>,
    kept: [Cell<Option<Symbol>>; KEPT],
}

#[derive(Clone, Copy)]
struct Object {
    base: usize,
    /// None: there is no such file.
    file: Option<&'static [u8]>,
}

/// A function.
#[derive(Clone, Copy)]
pub struct Symbol {
    /// The address that was asked for.
    address: usize,
    pub start: usize,
    name: &'static CStr,
}

impl Symbol {
    /// Its name, which is good while the symbols are.
    pub fn name<'a>(&self, _: &'a Symbols) -> &'a CStr {
        self.name
    }
}

impl Symbols {
    pub fn new() -> Symbols {
        Symbols {
            objects: [const { Cell::new(None) }; OBJECTS],
            len: Cell::new(0),
            kept: [const { Cell::new(None) }; KEPT],
        }
    }

    /// The function that `address` is in, of the object `path` that is loaded at `base`.
    pub fn look_up(&self, path: &CStr, base: usize, address: usize) -> Option<Symbol> {
        let kept = &self.kept[(address >> 1) % KEPT];
        if let Some(symbol) = kept.get().filter(|s| s.address == address) {
            return Some(symbol);
        }
        let symbol = search(self.file(path, base)?, base, address)?;
        kept.set(Some(symbol));
        Some(symbol)
    }

    fn file(&self, path: &CStr, base: usize) -> Option<&'static [u8]> {
        let n = self.len.get();
        if let Some(o) = self.objects[..n].iter().filter_map(Cell::get).find(|o| o.base == base) {
            return o.file;
        }
        if n == OBJECTS {
            return None;
        }
        // The program's own name is what it was called by, maybe from another folder.
        // SAFETY: asks for a number: the address of the program's headers.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) } as usize;
        let is_program = headers > base && headers - base < mem::page_size();
        let file = mem::map_file(if is_program { c"/proc/self/exe" } else { path });
        self.objects[n].set(Some(Object { base, file }));
        self.len.set(n + 1);
        file
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        for file in self.objects.iter().filter_map(Cell::get).filter_map(|o| o.file) {
            // SAFETY: mapped by `file`; names in it were lent for no longer than `self`.
            unsafe { mem::unmap(file.as_ptr().cast_mut(), file.len()) };
        }
    }
}

/// A number of `N` bytes at an offset of the file.
fn number<const N: usize>(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | b as u64))
}

/// Looks through the symbol table of an ELF file of 64 bits. None for whatever else it is.
fn search(file: &'static [u8], base: usize, address: usize) -> Option<Symbol> {
    const FIXED_ADDRESS: u64 = 2;
    const SYMBOL_TABLE: u64 = 2;
    const FUNCTION: u8 = 2;
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let bias = if number::<2>(file, 16)? == FIXED_ADDRESS { 0 } else { base };
    let wanted = address.checked_sub(bias)? as u64;
    let (sections, size, n) = (number::<8>(file, 40)?, number::<2>(file, 58)?, number::<2>(file, 60)?);
    let section = |i: u64| usize::try_from(sections.checked_add(i * size)?).ok();
    for s in (0..n).filter_map(section) {
        if number::<4>(file, s + 4)? != SYMBOL_TABLE {
            continue;
        }
        let (start, bytes) = (number::<8>(file, s + 24)? as usize, number::<8>(file, s + 32)? as usize);
        let strings = number::<8>(file, section(number::<4>(file, s + 40)?)? + 24)? as usize;
        for symbol in file.get(start..start.checked_add(bytes)?)?.chunks_exact(24) {
            let (value, length) = (number::<8>(symbol, 8)?, number::<8>(symbol, 16)?);
            // Some of assembly have no size.
            if symbol[4] & 15 != FUNCTION || wanted < value || wanted >= value + length.max(1) {
                continue;
            }
            let name = file.get(strings.checked_add(number::<4>(symbol, 0)? as usize)?..)?;
            let name = CStr::from_bytes_until_nul(name).ok()?;
            return Some(Symbol { address, start: bias + value as usize, name });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn not_exported() -> usize {
        std::hint::black_box(7)
    }

    #[test]
    fn a_static_function_has_its_name() {
        assert_eq!(not_exported(), 7);
        let address = not_exported as fn() -> usize as usize;
        // SAFETY: plain data; dladdr accepts any address.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        assert_ne!(unsafe { libc::dladdr(address as *const _, &mut info) }, 0);
        let symbols = Symbols::new();
        // SAFETY: dladdr answers a string.
        let path = unsafe { CStr::from_ptr(info.dli_fname) };
        for _ in 0..2 {
            let symbol = symbols.look_up(path, info.dli_fbase as usize, address).unwrap();
            assert_eq!(symbol.start, address);
            assert!(symbol.name(&symbols).to_str().unwrap().contains("not_exported"));
        }
    }

    #[test]
    fn what_is_no_elf_file_has_no_names() {
        assert!(search(b"\x7fELF\x02\x01 but too short", 0, 100).is_none());
        assert!(search(b"", 0, 100).is_none());
        let symbols = Symbols::new();
        assert!(symbols.look_up(c"/nowhere", 4096, 5000).is_none());
    }
}
