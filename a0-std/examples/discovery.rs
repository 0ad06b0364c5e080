//! Shows which topics there are, as they come and go, until Enter is pressed.
//!
//! `cargo run -p a0-std --example discovery`, with `a0 pub cam/front hello` and `a0 rm cam/front` beside it.

use a0_std::{Discovery, DiscoveryEvent, Protocol};

fn main() -> a0_std::Result<()> {
    let _discovery = Discovery::topics(Protocol::ALL, "**", |event| match event {
        DiscoveryEvent::Found(topic) => println!("+ {} ({})", topic.name, topic.protocol.name()),
        DiscoveryEvent::Removed(topic) => println!("- {} ({})", topic.name, topic.protocol.name()),
    })?;
    let _ = std::io::stdin().read_line(&mut String::new());
    Ok(())
}
