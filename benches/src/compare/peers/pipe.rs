//! A named pipe.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;

use super::{Channel, Peer, framed};
use crate::Result;
use crate::compare::control::retry;

/// What an unprivileged program may ask for.
const SIZE: usize = 1 << 20;

pub(crate) enum Pipe {}

impl Peer for Pipe {
    type Sender = framed::Sender;
    type Receiver = framed::Receiver;

    const BACKLOG: u64 = 4000;

    fn sender(channel: &Channel) -> Result<framed::Sender> {
        let mut options = File::options();
        // Fails while nobody reads, instead of waiting.
        options.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = retry(|| options.open(channel.path()))?;
        fcntl_setfl(&file, OFlags::empty())?;
        Ok(framed::Sender(file.into()))
    }

    fn receiver(channel: &Channel) -> Result<framed::Receiver> {
        match mknodat(CWD, channel.path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // For writing as well: so it does not end when a sender goes.
        let file = File::options().read(true).write(true).open(channel.path())?;
        fcntl_setpipe_size(&file, if channel.small { 4096 } else { SIZE })?;
        fcntl_setfl(&file, if channel.asleep { OFlags::empty() } else { OFlags::NONBLOCK })?;
        Ok(framed::Receiver::new(file.into()))
    }
}
