//! What the system is like in which this process runs.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::finding::Report;
use super::place::Place;

/// Inode number of the PID namespace that the kernel starts with, the same on every machine.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn examine(report: &mut Report, place: Option<&Place>) {
    pid_namespace(report, place);
    inotify(report, place);
    if available_parallelism().is_ok_and(|cores| cores.get() == 1) {
        report.note("machine", None, "one core only: messages between programs take a change of context each");
    }
}

fn pid_namespace(report: &mut Report, place: Option<&Place>) {
    let Ok(ours) = fs::read_link("/proc/self/ns/pid") else {
        let problem =
            "/proc is not mounted: whether owners of locks live, and in which PID namespace, cannot be found out";
        return report.warning("namespace", None, problem, "mount -t proc proc /proc");
    };
    if ours == Path::new(FIRST_PID_NAMESPACE) {
        return;
    }
    let problem = format!(
        "this is a PID namespace of its own ({}), such as a container's: only programs in the same one can write to the \
         same topics; all others can only read them",
        ours.display()
    );
    match place {
        Some(place) if place.from_outside => report.warning(
            "namespace",
            Some(&place.root),
            format_args!("{problem}. The directory comes from outside, so others may use it"),
            "give all programs one PID namespace: docker run --pid=host, or --pid=container:NAME",
        ),
        _ => report.note("namespace", None, problem),
    }
}

/// Discovery also works without, but looks at everything again and again.
fn inotify(report: &mut Report, place: Option<&Place>) {
    let problem = match inotify::init(CreateFlags::CLOEXEC) {
        Ok(inotify) => {
            let dir = place.map_or(Path::new("/"), |place| place.existing.as_path());
            match inotify::add_watch(&inotify, dir, WatchFlags::CREATE | WatchFlags::ONLYDIR) {
                Err(Errno::NOSPC) => "no more watches (fs.inotify.max_user_watches)",
                _ => return,
            }
        }
        Err(Errno::MFILE) => "no more inotify instances (fs.inotify.max_user_instances)",
        Err(_) => "no inotify",
    };
    report.warning(
        "discovery",
        None,
        format_args!("the system gives {problem}: discovery notices changes late, and with more work"),
        "sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=1048576, or stop what uses them up",
    );
}
