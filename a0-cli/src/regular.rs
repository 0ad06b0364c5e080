//! Reading files that users name, whatever is in their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, SeekFrom, seek};
use rustix::io::{Errno, ioctl_fionbio};

use crate::end::{End, Outcome};
use crate::quantity::human;

/// More is no text that somebody has written.
const LONGEST_TEXT: u64 = 16 << 20;

/// Opens a file. A pipe in its place is an error, and no reason to wait; a device is not touched.
pub(crate) fn open(path: &Path) -> Outcome<File> {
    let check = |metadata: io::Result<fs::Metadata>| match metadata.map_err(|error| cannot_read(path, &error))? {
        metadata if metadata.is_file() => Ok(()),
        metadata if metadata.is_dir() => Err(cannot_read(path, &Errno::ISDIR.into())),
        _ => {
            let path = path.display();
            Err(End::failed(format_args!("{path} is a pipe or a device: write what comes to a file, and use that")))
        }
    };
    check(fs::metadata(path))?;
    let file = open_at_once(path).map_err(|error| cannot_read(path, &error))?;
    // Something else may have come in its place.
    check(file.metadata())?;
    Ok(file)
}

/// Reads a text, from a pipe or a terminal, too, as long as there is somebody who writes to it.
pub(crate) fn read_text(path: &Path) -> Outcome<String> {
    let read = || {
        let file = open_at_once(path)?;
        // Who waits for what somebody writes slowly does so.
        ioctl_fionbio(&file, false)?;
        let mut text = String::new();
        file.take(LONGEST_TEXT + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    match read().map_err(|error: io::Error| cannot_read(path, &error))? {
        text if text.len() as u64 > LONGEST_TEXT => {
            let (path, longest) = (path.display(), human(LONGEST_TEXT));
            Err(End::failed(format_args!("{path} is longer than {longest}: it is something else")))
        }
        text => Ok(text),
    }
}

/// Whether at least half of a part of a file holds data. Leaves the place where it is read.
pub(crate) fn is_mostly_there(file: &File, start: u64, len: u64) -> bool {
    let Ok(here) = seek(file, SeekFrom::Current(0)) else { return true };
    let (end, mut at, mut there) = (start + len, start, 0);
    while at < end
        && let Ok(data) = seek(file, SeekFrom::Data(at))
    {
        at = seek(file, SeekFrom::Hole(data)).unwrap_or(end);
        there += at.min(end).saturating_sub(data);
    }
    // To where it was, so it does not fail.
    let _ = seek(file, SeekFrom::Start(here));
    there >= len / 2
}

/// Does not wait for a pipe's other end.
fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()).open(path)
}

fn cannot_read(path: &Path, error: &io::Error) -> End {
    End::failed(format_args!("cannot read {}: {error}", path.display()))
}
