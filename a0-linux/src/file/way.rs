//! The way to a file, part by part, so that links are followed only where that is harmless.
//!
//! Whoever may write to a directory can put a link there, and whoever opens a topic through it would write to what it leads
//! to with rights of their own. The kernel's `protected_symlinks` is about directories with the sticky bit only. So links
//! are followed here, and nobody can replace one between the look at its owner and the step.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fchmod, fstat, fstatfs, mkdirat, open, openat, readlinkat,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

use crate::file::error::FileError;

/// Links on one way, as in the kernel.
const MOST_LINKS: u32 = 40;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A way to a file, gone up to some directory.
pub(super) struct Way {
    dir: OwnedFd,
    /// Where that is.
    at: PathBuf,
    /// What is still to be gone, the next part last.
    rest: Vec<OsString>,
    /// So many of them are the caller's; those behind come from links.
    own: usize,
    links: u32,
    /// The last link.
    link: PathBuf,
}

/// What is in the way.
pub(super) enum Obstacle {
    Known(FileError),
    /// The system refused to go on at this path.
    Refused(PathBuf, Errno),
}

/// Where a link leads.
enum Target {
    /// The way goes on there.
    Elsewhere,
    /// To something that only the kernel can find.
    Magic,
    /// It is no link, or not any more.
    None,
}

impl Way {
    pub(super) fn to(path: &Path) -> Result<Way, Obstacle> {
        let at = PathBuf::from(if path.has_root() { "/" } else { "" });
        let dir = start(path)?;
        let mut way = Way { dir, at, rest: Vec::new(), own: 0, links: 0, link: PathBuf::new() };
        way.push(path);
        way.own = way.rest.len();
        Ok(way)
    }

    /// Opens what it leads to; `None` if there is nothing.
    pub(super) fn open(mut self, flags: OFlags) -> Result<Option<OwnedFd>, Obstacle> {
        loop {
            if !self.go(1, None)? {
                return Ok(None);
            }
            let last = self.rest.pop().unwrap_or_else(|| ".".into());
            let open = |dir: &OwnedFd, flags| retry_on_intr(|| openat(dir, &last, flags, Mode::empty()));
            let mut opened = open(&self.dir, flags | OFlags::NOFOLLOW);
            if opened.as_ref().is_err_and(|errno| *errno == Errno::LOOP) {
                match self.follow(&last)? {
                    Target::Elsewhere => continue,
                    Target::Magic => opened = open(&self.dir, flags),
                    Target::None => {
                        self.rest.push(last);
                        continue;
                    }
                }
            }
            return match opened {
                Ok(fd) => Ok(Some(fd)),
                Err(Errno::NOENT) => Ok(None),
                Err(errno) => Err(Obstacle::Refused(self.at.join(last), errno)),
            };
        }
    }

    /// The directory in which the last part of the path lies, and that part; `None` if there is none. What the last part is
    /// stays open: it may be a link.
    pub(super) fn last(mut self) -> Result<Option<(OwnedFd, OsString)>, Obstacle> {
        if !self.go(1, None)? {
            return Ok(None);
        }
        let last = self.rest.pop().unwrap_or_else(|| ".".into());
        Ok(Some((self.dir, last)))
    }

    /// The directory that it leads to. What is missing is created with these permissions if there are any; `None` if
    /// it is missing, or somebody removes it again meanwhile.
    pub(super) fn directory(mut self, mode: Option<u32>) -> Result<Option<OwnedFd>, Obstacle> {
        Ok(self.go(0, mode)?.then_some(self.dir))
    }

    /// Goes on until so many parts are left; `false` if something is missing.
    fn go(&mut self, left: usize, mode: Option<u32>) -> Result<bool, Obstacle> {
        while self.rest.len() > left {
            let Some(part) = self.rest.pop() else { break };
            let there = self.at.join(&part);
            let open = |dir: &OwnedFd, flags| openat(dir, &part, DIRECTORY | flags, Mode::empty());
            let mut opened = open(&self.dir, OFlags::NOFOLLOW);
            if let (Err(Errno::NOENT), Some(mode)) = (&opened, mode) {
                if self.rest.len() >= self.own {
                    return Err(Obstacle::Known(FileError::NotADirectory { path: self.link.clone() }));
                }
                match make(&self.dir, &part, mode) {
                    // Somebody else was faster, or something else is there.
                    Ok(()) | Err(Errno::EXIST) => opened = open(&self.dir, OFlags::NOFOLLOW),
                    Err(Errno::NOENT) if fstat(&self.dir).is_ok_and(|dir| is_removed(&dir)) => return Ok(false),
                    Err(errno) => return Err(Obstacle::Known(FileError::os(&there, "create directory", errno))),
                }
            }
            if let Err(Errno::NOTDIR | Errno::LOOP) = opened {
                match self.follow(&part)? {
                    Target::Elsewhere => continue,
                    Target::Magic => opened = open(&self.dir, OFlags::empty()),
                    Target::None => return Err(Obstacle::Known(FileError::NotADirectory { path: there })),
                }
            }
            match opened {
                Ok(dir) => (self.dir, self.at) = (dir, there),
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(Obstacle::Refused(there, errno)),
            }
        }
        Ok(true)
    }

    /// Turns to where a link leads, if root or the caller has made it.
    fn follow(&mut self, part: &OsStr) -> Result<Target, Obstacle> {
        let path = self.at.join(part);
        let refused = |errno| Obstacle::Refused(path.clone(), errno);
        // Held open, so that it is this link that is looked at and followed.
        let link = match openat(&self.dir, part, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Target::None),
            link => link.map_err(refused)?,
        };
        let stat = fstat(&link).map_err(refused)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok(Target::None);
        }
        let owner = stat.st_uid;
        if owner != 0 && owner != geteuid().as_raw() {
            return Err(Obstacle::Known(FileError::ForeignLink { path, owner }));
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(refused(Errno::LOOP));
        }
        if fstatfs(&link).is_ok_and(|filesystem| filesystem.f_type == PROC_SUPER_MAGIC) {
            return Ok(Target::Magic);
        }
        let target = readlinkat(&link, "", Vec::new()).map_err(refused)?;
        self.own = self.own.min(self.rest.len());
        self.link = path.clone();
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        if target.has_root() {
            (self.dir, self.at) = (start(target)?, "/".into());
        }
        self.push(target);
        Ok(Target::Elsewhere)
    }

    /// Puts the parts of a path in front of what is left.
    fn push(&mut self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        // `components` drops it, but only a directory can be meant.
        if bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
            self.rest.push(".".into());
        }
        let parts = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        self.rest.extend(parts);
    }
}

/// The directory that a path starts in.
fn start(path: &Path) -> Result<OwnedFd, Obstacle> {
    let start = if path.has_root() { "/" } else { "." };
    open(start, DIRECTORY, Mode::empty()).map_err(|errno| Obstacle::Refused(start.into(), errno))
}

/// Makes a directory with these permissions exactly. Where others may write, they may not remove what is not theirs.
fn make(dir: &OwnedFd, name: &OsStr, mode: u32) -> Result<(), Errno> {
    mkdirat(dir, name, Mode::from_raw_mode(mode & 0o777))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = match openat(dir, name, flags, Mode::empty()) {
        // Somebody has removed it. Or not even its owner may read it: then nobody else is meant to come in.
        Err(Errno::NOENT | Errno::ACCESS) => return Ok(()),
        made => made?,
    };
    let inherited = Mode::from_raw_mode(fstat(&made)?.st_mode) & Mode::SGID;
    let mode = Mode::from_raw_mode(mode & 0o7777) | inherited;
    let shared = mode.intersects(Mode::WGRP | Mode::WOTH);
    fchmod(&made, if shared { mode | Mode::SVTX } else { mode })
}

/// Whether this directory was, or is being, removed: for a moment it still has its name, but takes no files any more.
pub(super) fn is_removed(dir: &Stat) -> bool {
    dir.st_nlink == 0
}
