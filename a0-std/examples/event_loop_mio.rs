//! Two topics in one event loop, without any async runtime.
//!
//! `cargo run -p a0-std --example event_loop_mio`

use std::error::Error;
use std::os::fd::AsRawFd;
use std::thread;

use a0_std::{Publisher, SubscriberFd};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let names = ["example/mio/left", "example/mio/right"];
    let mut poll = Poll::new()?;
    let mut subscribers = Vec::new();
    for (token, name) in names.into_iter().enumerate() {
        let subscriber = SubscriberFd::new(name, ())?;
        poll.registry().register(&mut SourceFd(&subscriber.as_raw_fd()), Token(token), Interest::READABLE)?;
        subscribers.push(subscriber);
    }

    let publisher = thread::spawn(move || {
        for name in names {
            let publisher = Publisher::new(name)?;
            for n in 0..3 {
                publisher.publish(n.to_string())?;
            }
        }
        Ok::<(), a0_std::Error>(())
    });

    let mut events = Events::with_capacity(16);
    let mut count = 0;
    while count < 6 {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(token) = event.token();
            // All that is there: mio tells only once.
            while let Some(message) = subscribers[token].read()? {
                println!("{}: {}", names[token], String::from_utf8_lossy(message.payload()));
                count += 1;
            }
        }
    }
    publisher.join().expect("it does not panic")?;
    Ok(())
}
