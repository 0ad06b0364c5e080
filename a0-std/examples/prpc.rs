//! A server that counts until nobody listens, and a client that listens for a while:
//! `cargo run -p a0-std --example prpc`.

use std::thread;
use std::time::Duration;

use a0_std::{Error, PrpcClient, PrpcServer};

fn main() -> Result<(), Error> {
    let _server = PrpcServer::new(
        "count",
        |connection| {
            // Elsewhere, so that other connections are served meanwhile.
            thread::spawn(move || {
                for n in 1.. {
                    if connection.is_cancelled() || connection.send(n.to_string(), false).is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            });
        },
        |id| println!("{id} was cancelled"),
    )?;

    let client = PrpcClient::new("count")?;
    // Dropping the iterator before the end cancels the connection.
    for progress in client.stream("go", Duration::from_secs(10))?.take(5) {
        println!("{}", String::from_utf8_lossy(progress?.payload()));
    }
    Ok(())
}
