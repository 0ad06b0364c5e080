//! The directory of the topics and the filesystem that it is on.

use std::fs::{self, Metadata};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use a0_std::FileOptions;
use rustix::fs::{Access, Mode, OFlags, StatVfs, StatVfsMountFlags, access, statvfs};
use rustix::io::Errno;

use super::finding::Report;
use crate::quantity::human;

/// Docker's `/dev/shm`.
const SMALL: u64 = 64 << 20;

/// Where topics live.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    /// The root, or as much of its path as there is.
    pub(super) existing: PathBuf,
    /// Mounted here from somewhere else, as Docker's volumes are.
    pub(super) from_outside: bool,
    /// There is no space at all.
    pub(super) full: bool,
}

/// What there is; `None` if no topic can be there.
pub(super) fn examine(report: &mut Report, root: &Path) -> Option<Place> {
    let check = "root";
    let mut existing = root;
    let metadata = loop {
        match (fs::metadata(existing), existing.parent()) {
            (Ok(metadata), _) => break metadata,
            (Err(error), Some(parent)) if matches!(error.kind(), NotFound | NotADirectory) => existing = parent,
            (Err(error), _) => {
                let remedy = "let this user enter the directories on the way (chmod o+x), or set A0_ROOT";
                report.error(check, Some(existing), format_args!("cannot be looked at: {error}"), remedy);
                return None;
            }
        }
    };
    if !metadata.is_dir() {
        let remedy = "remove it, or set A0_ROOT to another directory; for all programs alike";
        report.error(check, Some(existing), "is in the way: topics need a directory there", remedy);
        return None;
    }
    let missing = existing != root;
    if missing {
        report.note(check, Some(root), "does not exist yet: the first program that uses a topic creates it");
    }
    let mount = Mount::of(existing);
    if mount.as_ref().is_some_and(|mount| mount.kind == "hugetlbfs") {
        let problem = "is on hugetlbfs, whose files have whole huge pages: no deadman can be there, and so no server";
        let remedy = "set A0_ROOT to a directory on a tmpfs, for all programs alike; a tmpfs can use huge pages, too: \
                      mount -o huge=…";
        report.error("filesystem", Some(existing), problem, remedy);
        return None;
    }
    filesystem(report, existing, mount.as_ref());
    let full = match statvfs(existing) {
        Ok(stat) => {
            space(report, existing, &stat);
            if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
                let remedy = "mount -o remount,rw; in Docker, a volume without :ro. Reading topics works";
                report.error("filesystem", Some(existing), "is mounted read-only: nothing can be published", remedy);
            } else {
                permissions(report, existing, &metadata, missing);
            }
            stat.f_blocks > 0 && stat.f_bavail == 0
        }
        Err(errno) => {
            report.error(
                "filesystem",
                Some(existing),
                format_args!("statvfs: {errno}"),
                "use a tmpfs, such as /dev/shm",
            );
            false
        }
    };
    let from_outside = mount.is_some_and(|mount| mount.part != "/");
    Some(Place { root: root.into(), existing: existing.into(), from_outside, full })
}

/// A line of `/proc/self/mountinfo`.
struct Mount {
    kind: String,
    /// Which part of the filesystem is mounted.
    part: String,
}

impl Mount {
    /// The mount that a directory is on, as far as the system tells.
    fn of(dir: &Path) -> Option<Mount> {
        let dir = fs::canonicalize(dir).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let mut found: Option<(PathBuf, Mount)> = None;
        for line in mounts.lines() {
            let Some((place, source)) = line.split_once(" - ") else { continue };
            let mut place = place.split(' ').skip(3);
            let (Some(part), Some(point)) = (place.next(), place.next()) else { continue };
            let point = PathBuf::from(unescape(point));
            // A later mount on the same directory hides an earlier one.
            let deeper = found.as_ref().is_none_or(|(best, _)| point.starts_with(best));
            if dir.starts_with(&point) && deeper {
                let kind = source.split(' ').next().unwrap_or_default().to_owned();
                found = Some((point, Mount { kind, part: unescape(part) }));
            }
        }
        found.map(|(_, mount)| mount)
    }
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (code, char)| text.replace(code, char))
}

fn filesystem(report: &mut Report, dir: &Path, mount: Option<&Mount>) {
    let Some(kind) = mount.map(|mount| &*mount.kind) else { return };
    let remedy = "unset A0_ROOT, or set it to a directory on a tmpfs, such as /dev/shm; for all programs alike";
    match kind {
        "tmpfs" | "ramfs" | "rootfs" => {}
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "virtiofs" | "ceph" | "afs" => {
            let problem = format!("is on {kind}: programs on other machines would write without seeing any lock");
            report.error("filesystem", Some(dir), problem, remedy);
        }
        _ => {
            let problem = format!(
                "is on {kind}, not in memory: the system writes every message to the disk some time, and locks and \
                 deadmen that were held when the machine went down name threads that no longer exist"
            );
            report.warning("filesystem", Some(dir), problem, remedy);
        }
    }
}

fn space(report: &mut Report, dir: &Path, stat: &StatVfs) {
    let arena = FileOptions::default().size;
    let (total, free) = (stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize));
    let remedy = "remove unused topics (a0 ls, a0 rm), enlarge it (mount -o remount,size=…; docker run --shm-size=…), \
                  or create topics with smaller arenas (a0 pub --arena 1M)";
    // A filesystem without blocks has no limit.
    if total > 0 && free < arena {
        let problem = format!(
            "only {} of {} are free, and a new topic takes {} unless its creator says otherwise",
            human(free),
            human(total),
            human(arena)
        );
        report.error("space", Some(dir), problem, remedy);
    } else if total > 0 && total <= SMALL {
        let problem = format!("holds {} in all: {} topics of {}", human(total), total / arena, human(arena));
        report.warning("space", Some(dir), problem, remedy);
    }
    if stat.f_files > 0 && stat.f_favail == 0 {
        let remedy = "remove unused topics (a0 ls, a0 rm), or mount -o remount,nr_inodes=…";
        report.error("space", Some(dir), "no inodes are left: no topic can be created", remedy);
    }
}

fn permissions(report: &mut Report, dir: &Path, metadata: &Metadata, missing: bool) {
    let check = "permissions";
    let mode = metadata.mode() & 0o7777;
    let who = format!("it belongs to user {} and has mode {mode:04o}", metadata.uid());
    let remedy = format!("as its owner or root: chmod 1777 {}", dir.display());
    if access(dir, Access::READ_OK | Access::EXEC_OK).is_err() {
        let problem = format!("this user may not read or enter it; {who}");
        return report.error(check, Some(dir), problem, &remedy);
    }
    match access(dir, Access::WRITE_OK) {
        Err(_) if missing => {
            let problem = format!("this user may not create A0_ROOT in it; {who}");
            return report.error(check, Some(dir), problem, &remedy);
        }
        Err(_) => {
            let problem = format!("this user may use the topics there, but not create any; {who}");
            return report.warning(check, Some(dir), problem, &remedy);
        }
        Ok(()) => create(report, dir),
    }
    match (mode & 0o002 != 0, mode & 0o1000 != 0) {
        _ if missing => {}
        (false, _) => report.note(check, Some(dir), format_args!("other users may not create topics; {who}")),
        (true, true) => report.note(check, Some(dir), format_args!("only a topic's owner may remove it; {who}")),
        (true, false) => report.note(check, Some(dir), format_args!("every user may remove every topic; {who}")),
    }
}

/// Tries the steps by which topics are created, on a file that discovery takes for none.
fn create(report: &mut Report, dir: &Path) {
    let remedy = "unset A0_ROOT, or set it to a directory on a tmpfs, such as /dev/shm; for all programs alike";
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Err(errno) = rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        let problem =
            format!("no files without a name ({errno}): whoever is killed while it creates a topic leaves a file");
        report.warning("links", Some(dir), problem, remedy);
    }
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix(super::tree::TEMPORARY).tempfile_in(dir).and_then(|file| {
        let linked = builder.make_in(dir, |name| Ok(rustix::fs::link(file.path(), name)?));
        match linked {
            Err(error) if error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) => Ok(()),
            linked => linked.map(|_| ()),
        }
    });
    match made {
        Err(error) if error.raw_os_error() != Some(Errno::NOSPC.raw_os_error()) => {
            let problem = format!("no topic can be created, because a file cannot be made and linked: {error}");
            report.error("links", Some(dir), problem, remedy);
        }
        _ => {}
    }
}
