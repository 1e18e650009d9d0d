//! The stack of a parked goroutine, as far as it can be read without unwinding it.
//!
//! Frames of C code have no chain to follow, and unwinding foreign frames from outside needs their tables. What can be done
//! for any code: of the words on the stack, those that point behind a call instruction in an executable mapping of a
//! known object are return addresses, of live frames or of dead ones further down. They are named by the symbol tables of
//! their objects (`symbols.rs`), else with `dladdr`.

use super::symbols::Symbols;
use std::ffi::{CStr, c_void};

/// An address in an object of the process, by name.
pub struct Place<'a> {
    /// The function, if it has a name.
    pub name: Option<&'a CStr>,
    pub object: &'a CStr,
    /// Bytes from the function, else from the object's base.
    pub offset: usize,
}

/// What an address of code is.
#[derive(Clone, Copy)]
pub enum Address {
    /// The start of a function.
    Entry(usize),
    /// Where a call returns to: the call stands before it, and at a function's end the next one begins here.
    Return(usize),
}

/// What lies at an address of code.
pub fn place(symbols: &Symbols, address: Address) -> Option<Place<'_>> {
    let (address, inside) = match address {
        Address::Entry(at) => (at, at),
        Address::Return(at) => (at, at.checked_sub(1)?),
    };
    // SAFETY: plain data; zero is valid.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr accepts any address.
    if unsafe { libc::dladdr(inside as *const c_void, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr answers strings of the object, which stays loaded while code of it is on a stack.
    let object = unsafe { CStr::from_ptr(info.dli_fname) };
    let base = info.dli_fbase as usize;
    // First the file's own table: dladdr takes the nearest exported name for that of a static function.
    if let Some(symbol) = symbols.look_up(object, base, inside) {
        return Some(Place { name: Some(symbol.name(symbols)), object, offset: address - symbol.start });
    }
    // SAFETY: as above.
    let name = (!info.dli_sname.is_null()).then(|| unsafe { CStr::from_ptr(info.dli_sname) });
    let start = if info.dli_saddr.is_null() { base } else { info.dli_saddr as usize };
    Some(Place { name, object, offset: address - start })
}

/// Whether the instruction before `address` is a call.
///
/// # Safety
/// The bytes before the address are readable.
#[cfg(target_arch = "x86_64")]
unsafe fn follows_call(address: usize) -> bool {
    // SAFETY: the caller's promise; seven bytes are the longest form looked for.
    let b = unsafe { std::slice::from_raw_parts((address - 7) as *const u8, 7) };
    // call rel32; call r/m64 in its lengths: ff /2 with a register, [reg], [reg + 8], [rip + 32] or [reg + 32].
    let is_ff2 = |i: usize| b[i] == 0xff && b[i + 1] & 0x38 == 0x10;
    b[2] == 0xe8 || is_ff2(5) || is_ff2(4) || is_ff2(3) || is_ff2(1) || is_ff2(0)
}

/// # Safety
/// The bytes before the address are readable.
#[cfg(target_arch = "aarch64")]
unsafe fn follows_call(address: usize) -> bool {
    if address % 4 != 0 {
        return false;
    }
    // SAFETY: the caller's promise.
    let op = unsafe { *((address - 4) as *const u32) };
    op >> 26 == 0b100101 || op & 0xffff_fc1f == 0xd63f_0000
}

/// Where the code of the process lies: the executable segments of what is loaded.
pub struct Code {
    segments: [(usize, usize); SEGMENTS],
    len: usize,
    pub symbols: Symbols,
}

/// Programs with more libraries than this get no names for what lies in the rest.
const SEGMENTS: usize = 96;

impl Code {
    /// As it is at this moment.
    pub fn of_process() -> Code {
        unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, code: *mut c_void) -> i32 {
            // SAFETY: the value below, and what the loader passes.
            let (info, code) = unsafe { (&*info, &mut *code.cast::<Code>()) };
            for i in 0..info.dlpi_phnum as usize {
                // SAFETY: within the header table.
                let h = unsafe { &*info.dlpi_phdr.add(i) };
                let start = info.dlpi_addr as usize + h.p_vaddr as usize;
                if h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_X != 0 && code.len < SEGMENTS {
                    code.segments[code.len] = (start, start + h.p_memsz as usize);
                    code.len += 1;
                }
            }
            0
        }
        let mut code = Code { segments: [(0, 0); SEGMENTS], len: 0, symbols: Symbols::new() };
        // SAFETY: `add` matches the type, and the value outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut code).cast()) };
        code
    }

    /// Whether a call may end before `address`: so much code lies there.
    fn has_before(&self, address: usize) -> bool {
        self.segments[..self.len].iter().any(|&(start, end)| address >= start + 7 && address <= end)
    }

    /// Fills `found` with what look like return addresses between `sp` and `top`, the innermost first, and answers how many.
    /// It only reads: names are for [`place`] to find, later.
    ///
    /// # Safety
    /// The words from `sp` to `top` are readable. They may change meanwhile; then what is found is of no one moment. No
    /// object has been unloaded since [`of_process`](Self::of_process).
    pub unsafe fn scan(&self, sp: *const u8, top: *const u8, found: &mut [usize]) -> usize {
        let mut n = 0;
        let mut at = sp.cast::<usize>();
        while n < found.len() && at.cast::<u8>() < top {
            // SAFETY: within the range that the caller vouches for.
            let word = unsafe { at.read_volatile() };
            at = at.wrapping_add(1);
            // SAFETY: seven bytes before the address are inside a segment of code.
            if self.has_before(word) && unsafe { follows_call(word) } {
                found[n] = word;
                n += 1;
            }
        }
        n
    }
}
