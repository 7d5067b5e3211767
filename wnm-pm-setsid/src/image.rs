//! An image is what a process becomes: a program with its arguments and its whole environment, as the kernel takes them.
//!
//! The standard library's own way (`execvp` of the C library) hands a file that the kernel does not run to `/bin/sh`: a
//! program for another kind of processor, or half of one, would be read for commands.

use std::collections::BTreeMap;
use std::ffi::{CString, NulError, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::ptr;
use std::sync::atomic::AtomicPtr;

use wnm_pm::launch::Launch;

/// See the module's words. All of it is made before the process is forked, in which nothing may be allocated.
pub(crate) struct Image {
    program: CString,
    arguments: Words,
    variables: Words,
}

impl Image {
    /// What is run for a node: in this environment, with the node's own variables on top.
    pub(crate) fn new(launch: &Launch, inherited: BTreeMap<OsString, OsString>) -> Result<Self, NulError> {
        let own = launch.environment.iter().map(|(name, value)| (name.into(), value.into()));
        let environment: BTreeMap<OsString, OsString> = inherited.into_iter().chain(own).collect();
        let variables = environment.into_iter().map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
        let program = launch.program.as_os_str().to_owned();
        let arguments = std::iter::once(program.clone()).chain(launch.arguments.iter().map(OsString::from));
        Ok(Self {
            program: CString::new(program.into_vec())?,
            arguments: Words::new(arguments)?,
            variables: Words::new(variables)?,
        })
    }

    /// Becomes it. Comes back only when that cannot be, with the reason.
    #[expect(unsafe_code, reason = "nothing safe executes a program without a shell and without allocating")]
    pub(crate) fn execute(&self) -> io::Error {
        let (arguments, variables) = (self.arguments.as_ptr(), self.variables.as_ptr());
        // SAFETY: the program is a C string, the other two are arrays of pointers to C strings with a null pointer at the
        // end, and all of them live as long as `self`.
        unsafe { libc::execve(self.program.as_ptr(), arguments, variables) };
        io::Error::last_os_error()
    }
}

/// Words as C has them: a pointer to each, and a null pointer at the end. A plain pointer could not be taken to the process
/// that becomes them; an atomic one can, and lies in memory as a plain one does.
struct Words {
    pointers: Vec<AtomicPtr<c_char>>,
    /// What the pointers lead to.
    _words: Vec<CString>,
}

impl Words {
    fn new(words: impl Iterator<Item = OsString>) -> Result<Self, NulError> {
        let words = words.map(|word| CString::new(word.into_vec())).collect::<Result<Vec<_>, _>>()?;
        let pointers = words.iter().map(|word| word.as_ptr().cast_mut()).chain([ptr::null_mut()]);
        Ok(Self { pointers: pointers.map(AtomicPtr::new).collect(), _words: words })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr().cast()
    }
}
