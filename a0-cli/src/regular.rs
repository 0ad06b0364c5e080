//! Reading files that users name, whatever is in their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
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

/// Does not wait for a pipe's other end.
fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()).open(path)
}

fn cannot_read(path: &Path, error: &io::Error) -> End {
    End::failed(format_args!("cannot read {}: {error}", path.display()))
}
