//! Messages and replies in smol tasks: a task for each topic, and the answers of a connection.
//!
//! `cargo run -p a0-std --example async_smol`

use a0_std::{Error, Init, PrpcClient, PrpcServer, Publisher, SubscriberStream};
use smol::LocalExecutor;
use smol::stream::StreamExt;

fn main() -> Result<(), Error> {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                executor.spawn(async move {
                    let mut stream = SubscriberStream::new(&format!("example/smol/{n}"), Init::MostRecent)?;
                    stream.next().await.transpose()
                })
            })
            .collect();
        for n in 0..5 {
            Publisher::new(&format!("example/smol/{n}"))?.publish(format!("topic {n}"))?;
        }
        for task in tasks {
            if let Some(message) = task.await? {
                println!("{}", String::from_utf8_lossy(message.payload()));
            }
        }

        let count = |connection: a0_std::Connection| (1..=3).for_each(|n| drop(connection.send(n.to_string(), n == 3)));
        let _server = PrpcServer::new("example/smol/count", count, |_| {})?;
        let client = PrpcClient::new("example/smol/count")?;
        let mut answers = client.stream_async("", None);
        while let Some(answer) = answers.next().await {
            println!("{}", String::from_utf8_lossy(answer?.payload()));
        }
        Ok(())
    }))
}
