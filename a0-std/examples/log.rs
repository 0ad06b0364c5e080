//! A logger and a listener. Run it twice at the same time: both hear both.
//!
//! `cargo run -p a0-std --example log`

use std::thread::sleep;
use std::time::Duration;

use a0_std::{Level, LogListener, Logger};

fn main() -> a0_std::Result<()> {
    let _listener = LogListener::new("example/log", Level::Info, (), |message| {
        println!("{:<4} {}", message.level(), message.text());
    })?;
    let logger = Logger::new("example/log")?;
    let process = std::process::id().to_string();
    for step in 0..10 {
        logger.dbg(format!("step {step}: not serious enough for the listener"))?;
        logger.log_with(Level::Info, &[("process", &process)], format!("step {step} of process {process}"))?;
        sleep(Duration::from_millis(200));
    }
    logger.warn("that was all")?;
    Ok(())
}
