//! What the shim calls of Python: found by name when a Python program asks for the shim, so that the library has no link to
//! any Python. Only names that every CPython from 3.9 on exports, or that are looked for under all their names.
//!
//! `T` is written once, by [`load`], under Python's lock and before any function of the shim is handed out; afterwards it is
//! only read.

use std::ffi::{CStr, c_char, c_int, c_long, c_longlong, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

/// A PyObject.
pub type Object = *mut c_void;
/// A PyThreadState.
pub type State = *mut c_void;

/// How a built-in function with METH_FASTCALL looks.
pub type Fast = unsafe extern "C" fn(Object, *const Object, isize) -> Object;

/// PyMethodDef.
#[repr(C)]
pub struct Method {
    pub name: *const c_char,
    pub function: Option<Fast>,
    pub flags: c_int,
    pub doc: *const c_char,
}

// SAFETY: never changed, and what it points at is of static life.
unsafe impl Sync for Method {}

/// Py_buffer, unchanged since Python 3.0.
#[repr(C)]
pub struct Buffer {
    pub buf: *mut c_void,
    pub obj: Object,
    pub len: isize,
    rest: [usize; 16],
}

impl Buffer {
    pub const EMPTY: Buffer = Buffer { buf: ptr::null_mut(), obj: ptr::null_mut(), len: 0, rest: [0; 16] };
}

macro_rules! table {
    ($($field:ident $(| $other:literal)* : $type:ty;)*) => {
        /// Functions and objects of the running Python, under the names it has for them.
        #[allow(non_snake_case)]
        pub struct Table { $(pub $field: $type,)* }

        impl Table {
            fn find() -> Option<Table> {
                $(
                    let names = [concat!(stringify!($field), "\0") $(, concat!($other, "\0"))*];
                    let found = names.iter().find_map(|name| look_up(name))?;
                    // SAFETY: the type is the one that Python's headers have for this name; a pointer and a function
                    // pointer have one size.
                    #[allow(non_snake_case)]
                    let $field = unsafe { std::mem::transmute_copy::<*mut c_void, $type>(&found) };
                )*
                Some(Table { $($field,)* })
            }
        }
    };
}

table! {
    PyBytes_AsString: unsafe extern "C" fn(Object) -> *mut c_char;
    PyBytes_FromStringAndSize: unsafe extern "C" fn(*const c_char, isize) -> Object;
    PyBuffer_Release: unsafe extern "C" fn(*mut Buffer);
    PyCFunction_NewEx: unsafe extern "C" fn(*const Method, Object, Object) -> Object;
    PyDict_DelItem: unsafe extern "C" fn(Object, Object) -> c_int;
    PyDict_GetItemWithError: unsafe extern "C" fn(Object, Object) -> Object;
    PyDict_Keys: unsafe extern "C" fn(Object) -> Object;
    PyDict_SetItem: unsafe extern "C" fn(Object, Object, Object) -> c_int;
    PyDict_SetItemString: unsafe extern "C" fn(Object, *const c_char, Object) -> c_int;
    PyDict_Size: unsafe extern "C" fn(Object) -> isize;
    PyErr_Clear: unsafe extern "C" fn();
    PyErr_CheckSignals: unsafe extern "C" fn() -> c_int;
    PyErr_Fetch: unsafe extern "C" fn(*mut Object, *mut Object, *mut Object);
    PyErr_Restore: unsafe extern "C" fn(Object, Object, Object);
    PyErr_NoMemory: unsafe extern "C" fn() -> Object;
    PyErr_Occurred: unsafe extern "C" fn() -> Object;
    PyErr_SetString: unsafe extern "C" fn(Object, *const c_char);
    PyErr_WriteUnraisable: unsafe extern "C" fn(Object);
    PyEval_RestoreThread: unsafe extern "C" fn(State);
    PyEval_SaveThread: unsafe extern "C" fn() -> State;
    PyExc_TypeError: *const Object;
    PyExc_ValueError: *const Object;
    PyInterpreterState_Get: unsafe extern "C" fn() -> *mut c_void;
    PyInterpreterState_Main: unsafe extern "C" fn() -> *mut c_void;
    PyList_GetItem: unsafe extern "C" fn(Object, isize) -> Object;
    PyList_SetSlice: unsafe extern "C" fn(Object, isize, isize, Object) -> c_int;
    PyList_Size: unsafe extern "C" fn(Object) -> isize;
    PyLong_AsLongLong: unsafe extern "C" fn(Object) -> c_longlong;
    PyLong_AsVoidPtr: unsafe extern "C" fn(Object) -> *mut c_void;
    PyLong_FromLong: unsafe extern "C" fn(c_long) -> Object;
    PyLong_FromLongLong: unsafe extern "C" fn(c_longlong) -> Object;
    PyObject_CallFunctionObjArgs: unsafe extern "C" fn(Object, ...) -> Object;
    PyObject_GetBuffer: unsafe extern "C" fn(Object, *mut Buffer, c_int) -> c_int;
    PyThreadState_Clear: unsafe extern "C" fn(State);
    PyThreadState_Delete: unsafe extern "C" fn(State);
    PyThreadState_Swap: unsafe extern "C" fn(State) -> State;
    PyThreadState_DeleteCurrent: unsafe extern "C" fn();
    PyThreadState_Get: unsafe extern "C" fn() -> State;
    PyThreadState_GetDict: unsafe extern "C" fn() -> Object;
    PyThreadState_GetUnchecked | "_PyThreadState_UncheckedGet": unsafe extern "C" fn() -> State;
    PyThreadState_New: unsafe extern "C" fn(*mut c_void) -> State;
    PyThreadState_SetAsyncExc: unsafe extern "C" fn(c_ulong, Object) -> c_int;
    PyUnicode_AsUTF8: unsafe extern "C" fn(Object) -> *const c_char;
    PyTuple_New: unsafe extern "C" fn(isize) -> Object;
    PyTuple_SetItem: unsafe extern "C" fn(Object, isize, Object) -> c_int;
    Py_DecRef: unsafe extern "C" fn(Object);
    Py_IncRef: unsafe extern "C" fn(Object);
    _PyBytes_Resize: unsafe extern "C" fn(*mut Object, isize) -> c_int;
    _Py_NoneStruct: Object;
}

// SAFETY: function pointers, and objects that live as long as the interpreter.
unsafe impl Send for Table {}
// SAFETY: as above; it is only read.
unsafe impl Sync for Table {}

static T: OnceLock<Table> = OnceLock::new();

/// Looks a name up among what the process has loaded for everybody.
pub fn look_up(name: &'static str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: a C string.
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!at.is_null()).then_some(at)
}

/// Finds everything. False: a name is missing, this is no Python that the shim knows.
pub fn load() -> bool {
    if T.get().is_none()
        && let Some(found) = Table::find()
    {
        let _ = T.set(found);
    }
    T.get().is_some()
}

/// The table. Only for what runs after [`load`] has answered true: every function that it hands out.
#[inline(always)]
pub fn py() -> &'static Table {
    match T.get() {
        Some(table) => table,
        None => crate::throw!("a function of the Python shim is called, and there is no Python"),
    }
}
