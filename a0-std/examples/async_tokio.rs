//! Messages and replies in tokio tasks: two subscriptions, and a call with a deadline of tokio's own.
//!
//! `cargo run -p a0-std --example async_tokio`

use std::time::Duration;

use a0_std::{Error, Publisher, RpcClient, RpcServer, SubscriberStream};
use smol::stream::StreamExt;
use tokio::time::timeout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut left = SubscriberStream::new("example/async/left", ())?;
    let mut right = SubscriberStream::new("example/async/right", ())?;
    let _server = RpcServer::new(
        "example/async/shout",
        |request| match request.payload() {
            b"" => {}
            text => drop(request.reply(text.to_ascii_uppercase())),
        },
        |id| println!("{id} was cancelled"),
    )?;
    let client = RpcClient::new("example/async/shout")?;

    // Publishing does not block: it can be done in any task.
    let publisher = tokio::spawn(async {
        let (left, right) = (Publisher::new("example/async/left")?, Publisher::new("example/async/right")?);
        for n in 0..3 {
            left.publish(format!("left {n}"))?;
            right.publish(format!("right {n}"))?;
            tokio::task::yield_now().await;
        }
        Ok::<(), Error>(())
    });
    for _ in 0..6 {
        let message = tokio::select! {
            message = left.next() => message,
            message = right.next() => message,
        };
        if let Some(message) = message {
            println!("{}", String::from_utf8_lossy(message?.payload()));
        }
    }
    publisher.await.expect("it does not panic")?;

    let reply = client.call_async("hello", Duration::from_secs(10)).await?;
    println!("{}", String::from_utf8_lossy(reply.payload()));
    // Dropped at the deadline, the call is cancelled.
    assert!(timeout(Duration::from_millis(20), client.call_async("", None)).await.is_err());
    Ok(())
}
