//! `a0 verify`.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use a0_core::Verified;
use a0_std::{Error, File, Init, ReaderSync};
use clap::Parser;

use super::deadman::Look;
use crate::console::{Escaped, Output, output};
use crate::end::{End, Outcome};
use crate::inspect::{self, Condition};
use crate::target;

/// Looks at a message that writers keep getting in the way of.
const READ_ATTEMPTS: u32 = 1000;

/// Examine everything that a topic holds
///
/// Walks the header, both state pages, all messages and all links in both directions, and parses every message. Changes
/// nothing, takes no lock, and may run while others publish.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  a0 verify cam/front
  a0 verify /dev/shm/alephzero/*.a0 && echo all sound

Exit codes:
  0  sound
  1  damaged, each reason on a line of its own; or an error")]
pub(crate) struct Args {
    /// Topics or files
    #[arg(value_name = "TOPIC|FILE", required = true, help = target::HELP)]
    targets: Vec<String>,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let mut output = output()?;
        let mut sound = true;
        for target in &self.targets {
            let path = target::resolve(target)?;
            sound &= verify(&path, &mut output)?;
            output.flush()?;
        }
        if sound { Ok(()) } else { Err(End::Told) }
    }
}

/// Prints what is wrong with a file, or that it is sound.
fn verify(path: &Path, output: &mut Output) -> Outcome<bool> {
    let name = path.to_string_lossy();
    let name = Escaped(&name);
    let file = match inspect::open(path) {
        Ok(Condition::Topic(file)) => file,
        Ok(Condition::New { .. }) => {
            writeln!(output, "{name}: sound; no program has written to it yet")?;
            return Ok(true);
        }
        Ok(Condition::Deadman(deadman)) => {
            let look = Look::at(&deadman)?;
            let sound = look.is_sound();
            writeln!(output, "{name}: {}{look}", if sound { "sound; a deadman, " } else { "a deadman, " })?;
            return Ok(sound);
        }
        Err(error) => return Err(End::failed(inspect::reason(path, &error))),
    };
    let mut said = Ok(());
    let mut say = |what: &dyn Display| {
        if said.is_ok() {
            said = writeln!(output, "{name}: {what}");
        }
    };
    let (verified, messages, bad) = examine(&file, &mut say)?;
    said?;
    if verified.problems + bad > 0 {
        return Ok(false);
    }
    write!(output, "{name}: sound; {messages} messages, {}", inspect::range(&verified.state))?;
    if verified.overwritten > 0 {
        write!(output, " ({} were overwritten meanwhile)", verified.overwritten)?;
    }
    writeln!(output)?;
    Ok(true)
}

/// Walks and parses all there is; gives what the walk has found, and how many messages are sound and how many are not.
pub(crate) fn examine(file: &File, mut report: impl FnMut(&dyn Display)) -> Outcome<(Verified, u64, u64)> {
    let verified = file.verify(|problem| report(&problem))?;
    let (messages, bad) = parse_all(file, verified.state.seq_high, verified.problems > 0, |problem| report(&problem))?;
    Ok((verified, messages, bad))
}

/// Parses every message up to `last`; gives how many are sound and how many are not. `known` is whether damage was reported
/// already.
fn parse_all(file: &File, last: u64, known: bool, mut report: impl FnMut(String)) -> Outcome<(u64, u64)> {
    let mut reader = ReaderSync::new(file, Init::Oldest)?;
    let (mut sound, mut bad, mut tries) = (0, 0, 0);
    while tries < READ_ATTEMPTS {
        match reader.read() {
            Ok(Some(message)) if message.seq() > last => break,
            Ok(Some(message)) => {
                (sound, tries) = (sound + 1, 0);
                if message.seq() == last {
                    break;
                }
            }
            // Nothing left, or writers are in the way; it does not matter whether the file was removed since.
            Ok(None) | Err(Error::TopicRemoved { .. }) => tries += 1,
            Err(Error::BadMessage { seq, cause, .. }) => {
                (bad, tries) = (bad + 1, 0);
                report(format!("message {seq} is not a valid packet: {cause}"));
                if seq >= last {
                    break;
                }
            }
            Err(Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. }) if known => tries += 1,
            // All links are sound, but a message is not.
            Err(Error::Topic { cause: a0_std::TopicError::Corrupt(damage), .. }) => {
                (bad, tries) = (bad + 1, tries + 1);
                report(damage.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((sound, bad))
}
