//! Topics that systemd removes when their owner logs out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::finding::Report;
use super::place::Place;

/// What is removed lies there.
const SHARED_MEMORY: &str = "/dev/shm";

/// Users up to this one are the system's own, and keep what they have.
const LAST_OF_SYSTEM: u32 = 999;

/// Where systemd looks for its files, what counts more first.
const DIRECTORIES: [&str; 4] = ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"];

/// Reports the users who lose their topics: those who have some, and this one.
pub(super) fn examine(report: &mut Report, place: &Place, owners: &BTreeSet<u32>) {
    let lies_there = fs::canonicalize(&place.existing).is_ok_and(|dir| dir.starts_with(SHARED_MEMORY));
    if !lies_there || !is_running("systemd-logind") {
        return;
    }
    let root = Path::new("/");
    let said_by = match removes(root) {
        Removes::No => return,
        Removes::Unless => "which is the default".to_owned(),
        Removes::Says(file) => format!("as {} says", file.display()),
    };
    let this = rustix::process::geteuid().as_raw();
    let users = owners.iter().copied().chain([this]).filter(|user| *user > LAST_OF_SYSTEM && !stays(root, *user));
    let users: Vec<_> = BTreeSet::from_iter(users).iter().map(ToString::to_string).collect();
    if users.is_empty() {
        return;
    }
    let users = users.join(", ");
    let problem = format!(
        "systemd-logind removes everything of user {users} in {SHARED_MEMORY} as soon as that user's last session ends \
         (RemoveIPC=yes, {said_by}): programs that go on then lose their topics"
    );
    let remedy = "as root: loginctl enable-linger USER; or RemoveIPC=no below [Login] in a file of \
                  /etc/systemd/logind.conf.d, then systemctl restart systemd-logind; or run them as a system user";
    report.warning("logout", Some(&place.root), problem, remedy);
}

/// Whether a program of this name runs.
fn is_running(name: &str) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("comm")).ok())
        .any(|comm| comm.trim_ascii() == name.as_bytes())
}

#[derive(Debug, PartialEq, Eq)]
enum Removes {
    No,
    /// Nobody says anything else.
    Unless,
    /// This file says so.
    Says(PathBuf),
}

/// What the files of systemd say. The one whose name comes last counts most, and none twice.
fn removes(root: &Path) -> Removes {
    let main = DIRECTORIES.iter().map(|dir| root.join(dir).join("logind.conf")).find(|file| file.exists());
    let mut others = BTreeMap::<OsString, PathBuf>::new();
    for dir in DIRECTORIES {
        for file in fs::read_dir(root.join(dir).join("logind.conf.d")).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "conf") {
                others.entry(file.file_name()).or_insert_with(|| file.path());
            }
        }
    }
    let mut removes = Removes::Unless;
    for file in main.into_iter().chain(others.into_values()) {
        match fs::read_to_string(&file).ok().as_deref().and_then(setting) {
            Some(true) => removes = Removes::Says(file),
            Some(false) => removes = Removes::No,
            None => {}
        }
    }
    removes
}

/// What a file says about it, in the end.
fn setting(text: &str) -> Option<bool> {
    let (mut section, mut said) = ("", None);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let ("[Login]", Some((key, value))) = (section, line.split_once('='))
            && key.trim_end() == "RemoveIPC"
        {
            said = match &*value.trim().to_ascii_lowercase() {
                "yes" | "y" | "true" | "t" | "on" | "1" => Some(true),
                "no" | "n" | "false" | "f" | "off" | "0" => Some(false),
                _ => said,
            };
        }
    }
    said
}

/// Whether a user counts as always logged in.
fn stays(root: &Path, user: u32) -> bool {
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':'));
    let name = users.find_map(|mut fields| {
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(user)).then_some(name)
    });
    name.is_some_and(|name| root.join("var/lib/systemd/linger").join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_does_at_the_end_of_a_session() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let removes = || removes(root.path());
        assert_eq!(removes(), Removes::Unless);
        let vendor = write("usr/lib/systemd/logind.conf", "[Login]\n RemoveIPC = Yes\n");
        assert_eq!(removes(), Removes::Says(vendor));
        write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=yes\n[Other]\nRemoveIPC=yes\n");
        assert_eq!(removes(), Removes::Unless, "the other one is not looked at");
        write("etc/systemd/logind.conf.d/50-mine.conf", "[Login]\nRemoveIPC=yes\nRemoveIPC=0\nRemoveIPC=maybe\n");
        assert_eq!(removes(), Removes::No);
        write("run/systemd/logind.conf.d/50-mine.conf", "[Login]\nRemoveIPC=yes\n");
        write("run/systemd/logind.conf.d/99-no.txt", "[Login]\nRemoveIPC=yes\n");
        assert_eq!(removes(), Removes::No, "of the same name, the first one counts");
        let last = write("usr/lib/systemd/logind.conf.d/60-x.conf", "[Login]\nRemoveIPC=1\n");
        assert_eq!(removes(), Removes::Says(last));
        write("etc/passwd", "root:x:0:0::/root:/bin/sh\nrobot:x:1000:1000::/:/bin/sh\nother:x:1001:1000::/:/bin/sh\n");
        write("var/lib/systemd/linger/robot", "");
        assert_eq!([1000, 1001, 1002].map(|user| stays(root.path(), user)), [true, false, false]);
    }
}
