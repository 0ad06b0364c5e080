//! The records of a chunk, decompressed piece by piece: memory is asked for as they turn out to be there, whatever the chunk
//! and its records say of their sizes.

use std::io::{self, BufRead, Read};

use crc32fast::Hasher;
use mcap::McapError;
use mcap::records::{ChunkHeader, op};

use super::LONGEST;

/// An opcode and a length.
const START: usize = 9;

/// The longest record that is no message.
const LONGEST_OTHER: usize = 16 << 20;

/// As much as is asked for in advance.
const PIECE: usize = 8 << 10;

/// What stands before the content of a message: the numbers of its channel and its own, and two times.
pub(super) const MESSAGE_HEADER: usize = 22;

/// A chunk that is read from its start to its end.
pub(super) struct Chunk<'a> {
    records: Box<dyn Read + 'a>,
    /// Bytes of records that are to come.
    left: u64,
    sum: Hasher,
    /// What the sum has to be; 0 if nobody has taken it.
    expected: u32,
    contents: bool,
}

impl<'a> Chunk<'a> {
    /// `contents`: whether those of messages are of interest.
    pub(super) fn new(header: &ChunkHeader, stored: impl BufRead + 'a, contents: bool) -> Result<Chunk<'a>, McapError> {
        if header.uncompressed_size > LONGEST as u64 {
            return Err(McapError::ChunkTooLarge(header.uncompressed_size));
        }
        let records: Box<dyn Read> = match header.compression.as_str() {
            "" => Box::new(stored),
            "zstd" => Box::new(zstd::Decoder::with_buffer(stored)?),
            "lz4" => Box::new(lz4::Decoder::new(stored)?),
            other => return Err(McapError::UnsupportedCompression(other.to_owned())),
        };
        let (left, expected) = (header.uncompressed_size, header.uncompressed_crc);
        Ok(Chunk { records, left, sum: Hasher::new(), expected, contents })
    }

    /// The next record: its opcode, and in `body` what is in it, of messages perhaps only the header; and the length of all
    /// of it.
    pub(super) fn next(&mut self, body: &mut Vec<u8>) -> Result<Option<(u8, u64)>, McapError> {
        body.clear();
        if self.left == 0 {
            self.check_sum()?;
            return Ok(None);
        }
        self.read(START as u64, body)?;
        let (opcode, mut length) = (body[0], [0; 8]);
        length.copy_from_slice(&body[1..]);
        let len = u64::from_le_bytes(length);
        body.clear();
        let longest = if opcode == op::MESSAGE { LONGEST } else { LONGEST_OTHER };
        if len > longest as u64 {
            return Err(McapError::RecordTooLarge { opcode, len });
        }
        let wanted = if opcode == op::MESSAGE && !self.contents { len.min(MESSAGE_HEADER as u64) } else { len };
        self.read(wanted, body)?;
        self.pass_over(len - wanted)?;
        Ok(Some((opcode, len)))
    }

    fn read(&mut self, len: u64, to: &mut Vec<u8>) -> Result<(), McapError> {
        self.take(len)?;
        to.reserve(len.min(PIECE as u64) as usize);
        // Grows with what comes.
        let read = (&mut self.records).take(len).read_to_end(to).map_err(damaged)?;
        self.sum.update(to);
        if (read as u64) < len { Err(McapError::UnexpectedEoc) } else { Ok(()) }
    }

    fn pass_over(&mut self, len: u64) -> Result<(), McapError> {
        self.take(len)?;
        let (mut left, mut piece) = (len, [0; PIECE]);
        while left > 0 {
            let part = piece.len().min(left as usize);
            let part = &mut piece[..part];
            self.records.read_exact(part).map_err(damaged)?;
            self.sum.update(part);
            left -= part.len() as u64;
        }
        Ok(())
    }

    fn take(&mut self, len: u64) -> Result<(), McapError> {
        self.left = self.left.checked_sub(len).ok_or(McapError::UnexpectedEoc)?;
        Ok(())
    }

    fn check_sum(&self) -> Result<(), McapError> {
        let (saved, calculated) = (self.expected, self.sum.clone().finalize());
        if saved == 0 || saved == calculated { Ok(()) } else { Err(McapError::BadChunkCrc { saved, calculated }) }
    }
}

fn damaged(error: io::Error) -> McapError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => McapError::UnexpectedEoc,
        _ => McapError::DecompressionError(error.to_string()),
    }
}
