//! Reads the history of a topic, then waits for what comes, until nothing has come for two seconds.
//!
//! `cargo run -p a0-std --example sub_sync`, with `a0 pub example/pubsub hello` beside it.

use std::time::Duration;

use a0_std::{Error, Init, SubscriberSync};

fn main() -> a0_std::Result<()> {
    let mut subscriber = SubscriberSync::new("example/pubsub", Init::Oldest)?;
    loop {
        match subscriber.read_blocking(Duration::from_secs(2)) {
            Ok(message) => {
                if message.missed() > 0 {
                    println!("({} messages were overwritten before they were read)", message.missed());
                }
                println!("{}: {}", message.seq(), String::from_utf8_lossy(message.payload()));
            }
            Err(Error::Timeout { .. }) => return Ok(()),
            Err(Error::BadMessage { seq, cause, .. }) => eprintln!("message {seq} skipped: {cause}"),
            Err(other) => return Err(other),
        }
    }
}
