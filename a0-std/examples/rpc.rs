//! A server that answers in capitals, and a client: `cargo run -p a0-std --example rpc`.

use std::time::Duration;

use a0_std::{Error, RpcClient, RpcServer};

fn main() -> Result<(), Error> {
    let _server = RpcServer::new(
        "shout",
        |request| {
            let text = String::from_utf8_lossy(request.payload()).to_uppercase();
            if let Err(error) = request.reply(text) {
                eprintln!("cannot reply: {error}");
            }
        },
        |id| println!("{id} was cancelled"),
    )?;

    let client = RpcClient::new("shout")?;
    let reply = client.call("hello", Duration::from_secs(10))?;
    println!("{}", String::from_utf8_lossy(reply.payload()));
    Ok(())
}
