//! Everything below the root.

use std::ffi::OsStr;
use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use a0_linux::is_temporary;

use super::finding::Report;

/// What names of files start with that are being created.
pub(super) const TEMPORARY: &str = ".alephzero_mkstemp.";

/// Longest time that a sound program takes to create a topic.
const CREATING: Duration = Duration::from_secs(60);

/// A file that can be a topic.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// Looks at every file below a directory, in order. Follows links to files only.
pub(super) fn walk(report: &mut Report, root: &Path, mut examine: impl FnMut(&mut Report, Entry)) {
    let mut directories = vec![root.to_owned()];
    while let Some(dir) = directories.pop() {
        let entries = fs::read_dir(&dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            // The root does not exist yet, or somebody has just removed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                // The root's own permissions were examined before.
                if dir != root {
                    let remedy = format!("as its owner or root: chmod o+rx {}", dir.display());
                    report.error("permissions", Some(&dir), format_args!("cannot be read: {error}"), &remedy);
                }
                continue;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = vec![];
        for entry in entries {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => below.push(path),
                Ok(kind) => file(report, &dir, path, kind, &mut examine),
                Err(_) => {}
            }
        }
        below.reverse();
        directories.append(&mut below);
    }
}

fn file(report: &mut Report, dir: &Path, path: PathBuf, kind: FileType, examine: &mut impl FnMut(&mut Report, Entry)) {
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if kind.is_symlink() => {
            let problem = format!("is a symbolic link that leads nowhere: {error}");
            return report.error("file", Some(&path), problem, "create its target, or remove the link");
        }
        Err(_) => return,
    };
    if is_temporary(&path) {
        return temporary(report, dir, &path, &metadata);
    }
    let what = match metadata.file_type() {
        kind if kind.is_file() => return examine(report, Entry { path, metadata }),
        kind if kind.is_dir() => {
            let problem = "is a symbolic link to a directory, which is not followed here";
            return report.note("file", Some(&path), problem);
        }
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    report.warning("file", Some(&path), format_args!("is {what}, which cannot be a topic"), "keep it elsewhere");
}

/// A file that was never finished, or is being made now.
fn temporary(report: &mut Report, dir: &Path, path: &Path, metadata: &Metadata) {
    let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
    if age < CREATING {
        return;
    }
    let sticky = fs::metadata(dir).is_ok_and(|dir| dir.mode() & 0o1000 != 0);
    let who = match sticky {
        true => format!("user {}, the owner of the directory, and root", metadata.uid()),
        false => "everybody who may write to the directory".to_owned(),
    };
    let name = path.file_name().unwrap_or_else(|| OsStr::new("")).to_string_lossy();
    let problem = format!(
        "was left by a program that was killed while it created a topic, {} s ago; it takes {} bytes",
        age.as_secs(),
        metadata.blocks() * 512
    );
    let remedy = format!("rm {}/{name}; {who} may do that", dir.display());
    report.warning("temporary", Some(path), problem, &remedy);
}
