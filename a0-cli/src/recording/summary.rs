//! What the end of a recording says about its channels, in case the chunk that introduces one is damaged.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use mcap::records::{Channel, Record, op};
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};
use mcap::{MAGIC, parse_record};

/// More than this tells no channels, but asks for memory.
const LONGEST: u64 = 16 << 20;

/// The last record, without its length of 9 bytes before it and the magic behind it.
const FOOTER: u64 = 20;

/// As many channels as can be read; none of a file that was not finished.
pub(super) fn channels(file: &File, size: u64) -> HashMap<u16, Rc<Channel>> {
    let mut channels = HashMap::new();
    let Some(summary) = summary(file, size) else { return channels };
    let options = LinearReaderOptions::default().with_skip_start_magic(true).with_record_length_limit(LONGEST as usize);
    let (mut reader, mut rest) = (LinearReader::new_with_options(options), &summary[..]);
    while let Some(Ok(event)) = reader.next_event() {
        match event {
            LinearReadEvent::ReadRequest(need) => {
                let (part, more) = rest.split_at(need.min(rest.len()));
                reader.insert(part.len()).copy_from_slice(part);
                reader.notify_read(part.len());
                rest = more;
            }
            LinearReadEvent::Record { opcode: op::CHANNEL, data } => {
                if let Ok(Record::Channel(channel)) = parse_record(op::CHANNEL, data) {
                    channels.insert(channel.id, Rc::new(channel));
                }
            }
            LinearReadEvent::Record { .. } => {}
        }
    }
    channels
}

/// The bytes from where the footer says that the summary starts, to the end.
fn summary(file: &File, size: u64) -> Option<Vec<u8>> {
    let body = size.checked_sub(FOOTER + MAGIC.len() as u64)?;
    let mut start = [0; 8];
    file.read_exact_at(&mut start, body).ok()?;
    let start = u64::from_le_bytes(start);
    let len = size.checked_sub(start).filter(|len| start > 0 && *len <= LONGEST)?;
    let mut summary = vec![0; len as usize];
    file.read_exact_at(&mut summary, start).ok()?;
    Some(summary)
}
