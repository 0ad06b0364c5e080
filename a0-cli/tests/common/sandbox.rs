//! Places and kernels that lack something.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "for tests, none of which uses all of it")]
#![allow(unsafe_code, reason = "a filter of system calls can only be installed between fork and exec")]

use std::ffi::c_ulong;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Root, Said, said};

/// A system call that is refused, if one of its arguments is like this.
#[derive(Clone, Copy)]
pub struct Denied {
    pub call: i64,
    pub argument: u32,
    pub mask: u32,
    pub value: u32,
    pub errno: i32,
}

impl Denied {
    pub fn call(call: i64, errno: i32) -> Denied {
        Denied { call, argument: 0, mask: 0, value: 0, errno }
    }

    /// A futex operation that the kernel does not have.
    pub fn futex(operation: u32) -> Denied {
        Denied { call: libc::SYS_futex, argument: 1, mask: 0x7F, value: operation, errno: libc::ENOSYS }
    }
}

/// Makes the command run without this system call.
pub fn deny(command: &mut Command, denied: Denied) {
    let step = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let (load, and, equal, ret) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_ALU | libc::BPF_AND | libc::BPF_K,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let mut filter = [
        step(load, 0, 0),
        step(equal, denied.call as u32, 4),
        step(load, 16 + 8 * denied.argument, 0),
        step(and, denied.mask, 0),
        step(equal, denied.value, 1),
        step(ret, libc::SECCOMP_RET_ERRNO | denied.errno as u32, 0),
        step(ret, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let install = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        let (one, none): (c_ulong, c_ulong) = (1, 0);
        // SAFETY: takes four numbers.
        let refused = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, one, none, none, none) } != 0
            // SAFETY: reads the program, which lives until the call is over.
            || unsafe { libc::prctl(libc::PR_SET_SECCOMP, c_ulong::from(libc::SECCOMP_MODE_FILTER), &raw const program) } != 0;
        if refused { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

impl Root {
    /// Runs a shell script in a mount namespace of its own, where `$A0_ROOT` is a tmpfs with these options. `$a0` is the
    /// command.
    pub fn in_tmpfs(&self, options: &str, script: &str) -> Said {
        self.unshared(&["--mount"], &format!("mount -t tmpfs -o {options} none \"$A0_ROOT\" && {{ {script}; }}"))
    }

    /// Runs a shell script in new namespaces.
    pub fn unshared(&self, namespaces: &[&str], script: &str) -> Said {
        let mut command = Command::new("unshare");
        command.args(namespaces);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-c", script]).env("A0_ROOT", self.0.path()).env("a0", env!("CARGO_BIN_EXE_a0"));
        said(command.stdin(Stdio::null()).output().unwrap())
    }
}

/// Runs a command there without the rights that root has over files.
pub fn without_privileges(command: &Command, root: &Path) -> Said {
    let mut less = Command::new(command.get_program());
    if rustix::process::geteuid().is_root() {
        less = Command::new("setpriv");
        less.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(command.get_program());
    }
    less.args(command.get_args()).env("A0_ROOT", root).stdin(Stdio::null());
    said(less.output().unwrap())
}
