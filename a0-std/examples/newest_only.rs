//! A slow consumer that always works on the newest message, such as a controller on a sensor's value.
//!
//! `cargo run -p a0-std --example newest_only`

use std::thread;
use std::time::Duration;

use a0_std::{Init, Iter, Publisher, SubscriberSync};

fn main() -> a0_std::Result<()> {
    let mut newest = SubscriberSync::new("example/sensor", (Init::AwaitNew, Iter::Newest))?;
    let sensor = thread::spawn(|| -> a0_std::Result<()> {
        let publisher = Publisher::new("example/sensor")?;
        for i in 1..=1000 {
            publisher.publish(format!("{i}"))?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    loop {
        let message = newest.read_blocking(Duration::from_secs(10))?;
        println!("value {}, {} older ones passed over", String::from_utf8_lossy(message.payload()), message.missed());
        if message.payload() == b"1000" {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    sensor.join().expect("the sensor does not panic")
}
