//! Values instead of bytes, and what happens when the two sides do not mean the same.
//!
//! `cargo run -p a0-std --example typed`; then look with `a0 echo example/typed`.

use a0_std::codec::Json;
use a0_std::{Init, Publisher, Result, Schema, TypedPublisher, TypedSubscriberSync};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Pose {
    frame: String,
    position: [f64; 3],
}

impl Schema for Pose {
    const NAME: &'static str = "nav.Pose.v1";
}

fn main() -> Result<()> {
    let mut subscriber = TypedSubscriberSync::<Pose, Json>::new("example/typed", Init::AwaitNew)?;

    let publisher = TypedPublisher::<Pose, Json>::new("example/typed")?;
    publisher.publish(&Pose { frame: "map".into(), position: [1.0, 2.0, 0.5] })?;
    Publisher::new("example/typed")?.publish("no pose")?;
    publisher.publish(&Pose { frame: "map".into(), position: [1.5, 2.0, 0.5] })?;

    while subscriber.can_read()? {
        match subscriber.read() {
            Ok(Some(received)) => println!("{}: {:?}", received.message.seq(), received.value),
            Ok(None) => break,
            // What this is about: it was skipped.
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
