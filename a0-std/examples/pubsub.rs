//! A publisher and a subscriber that calls back. Run it twice at the same time: both hear both.
//!
//! `cargo run -p a0-std --example pubsub`

use std::thread::sleep;
use std::time::Duration;

use a0_std::{Publisher, Subscriber};

fn main() -> a0_std::Result<()> {
    let _subscriber = Subscriber::new("example/pubsub", (), |message| {
        println!("{} {}", message.id(), String::from_utf8_lossy(message.payload()));
    })?;
    let publisher = Publisher::new("example/pubsub")?;
    for i in 0..10 {
        publisher.publish_with(&[("process", &std::process::id().to_string())], format!("message {i}"))?;
        sleep(Duration::from_millis(200));
    }
    Ok(())
}
