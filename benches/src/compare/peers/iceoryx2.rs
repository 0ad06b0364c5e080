//! iceoryx2: publish and subscribe, copying or in place; who sleeps waits for an event that comes with each message.
#![allow(unsafe_code, reason = "memory that is loaned is not initialised")]

use std::cell::OnceCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ::iceoryx2::node::NodeCreationFailure;
use ::iceoryx2::port::listener::Listener;
use ::iceoryx2::port::notifier::Notifier;
use ::iceoryx2::port::publisher::Publisher;
use ::iceoryx2::port::subscriber::Subscriber;
use ::iceoryx2::prelude::*;
use ::iceoryx2::service::port_factory::event;

use super::{Channel, LOOKED_AT, Peer, Receive, Send};
use crate::Result;

pub(super) type Service = ipc::Service;

/// Messages of up to 1 KiB that a subscriber may be behind.
const BUFFER: usize = 1000;

/// Copies payloads in, reads them in place.
pub(crate) enum Copying {}

/// Writes and reads in place, and touches only the start.
pub(crate) enum Loaning {}

thread_local! {
    static NODE: OnceCell<Node<Service>> = const { OnceCell::new() };
}

/// Runs with this thread's node, whose files are in the directory of the measurement.
pub(super) fn with_node<T>(dir: &Path, run: impl FnOnce(&Node<Service>) -> Result<T>) -> Result<T> {
    NODE.with(|cell| {
        if cell.get().is_none() {
            let _ = cell.set(node(dir)?);
        }
        run(cell.get().ok_or("no node")?)
    })
}

fn node(dir: &Path) -> Result<Node<Service>> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.set_root_path(&::iceoryx2::prelude::Path::new(dir.join("iceoryx2").as_os_str().as_encoded_bytes())?);
    config.global.prefix = FileName::new(prefix(dir).as_bytes())?;
    // What another process is just setting up; on a busy machine it takes longer than the second that is usual.
    config.global.creation_timeout = Duration::from_secs(10);
    let node: std::result::Result<_, NodeCreationFailure> = NodeBuilder::new().config(&config).create::<Service>();
    Ok(node?)
}

/// How names begin in the shared memory of the system.
fn prefix(dir: &Path) -> String {
    format!("{}_", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the segments of processes that were killed.
pub(super) fn clean(dir: &Path) {
    let prefix = prefix(dir);
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // Somebody else may have been quicker.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn service(
    node: &Node<Service>,
    channel: &Channel,
) -> Result<::iceoryx2::service::port_factory::publish_subscribe::PortFactory<Service, [u8], ()>> {
    let buffer = if channel.small || channel.size > 1024 { 8 } else { BUFFER };
    Ok(node
        .service_builder(&channel.name.as_str().try_into()?)
        .publish_subscribe::<[u8]>()
        .enable_safe_overflow(!channel.lossless)
        .subscriber_max_buffer_size(buffer)
        .history_size(usize::from(channel.late))
        .max_publishers(8)
        .max_subscribers(16)
        .max_nodes(32)
        .open_or_create()?)
}

/// The event by which those who sleep are woken.
pub(super) fn event(node: &Node<Service>, name: &str) -> Result<event::PortFactory<Service>> {
    Ok(node.service_builder(&name.try_into()?).event().open_or_create()?)
}

fn sender(channel: &Channel) -> Result<Sender> {
    with_node(&channel.dir, |node| {
        let strategy = if channel.lossless {
            BackpressureStrategy::RetryUntilDelivered
        } else {
            BackpressureStrategy::DiscardData
        };
        let publisher = service(node, channel)?
            .publisher_builder()
            .initial_max_slice_len(channel.size.max(1))
            .backpressure_strategy(strategy)
            .create()?;
        let notifier =
            channel.asleep.then(|| -> Result<_> { Ok(event(node, &channel.name)?.notifier_builder().create()?) });
        Ok(Sender { publisher, notifier: notifier.transpose()? })
    })
}

fn receiver(channel: &Channel) -> Result<Receiver> {
    with_node(&channel.dir, |node| {
        let subscriber = service(node, channel)?.subscriber_builder().create()?;
        let listener =
            channel.asleep.then(|| -> Result<_> { Ok(event(node, &channel.name)?.listener_builder().create()?) });
        Ok(Receiver { subscriber, listener: listener.transpose()? })
    })
}

impl Peer for Copying {
    type Sender = Sender;
    type Receiver = Receiver;

    const MULTICAST: bool = true;
    const MANY_SENDERS: bool = true;
    const OVERWRITES: bool = true;
    const HAS_CALLS: bool = true;
    const BACKLOG: u64 = BUFFER as u64;

    fn sender(channel: &Channel) -> Result<Sender> {
        sender(channel)
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        receiver(channel)
    }

    fn clean(dir: &Path) {
        clean(dir);
    }
}

impl Peer for Loaning {
    type Sender = LoanSender;
    type Receiver = Receiver;

    const MULTICAST: bool = true;

    fn sender(channel: &Channel) -> Result<LoanSender> {
        Ok(LoanSender { sender: sender(channel)?, size: channel.size })
    }

    fn receiver(channel: &Channel) -> Result<Receiver> {
        receiver(channel)
    }

    fn clean(dir: &Path) {
        clean(dir);
    }
}

pub(crate) struct Sender {
    publisher: Publisher<Service, [u8], ()>,
    notifier: Option<Notifier<Service>>,
}

impl Sender {
    #[inline]
    fn notify(&self) -> Result<()> {
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }
}

impl Send for Sender {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.publisher.loan_slice_uninit(payload.len())?.write_from_slice(payload).send()?;
        self.notify()
    }
}

pub(crate) struct LoanSender {
    sender: Sender,
    size: usize,
}

impl Send for LoanSender {
    #[inline]
    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut loan = self.sender.publisher.loan_slice_uninit(self.size)?;
        for (to, from) in loan.payload_mut().iter_mut().zip(&payload[..LOOKED_AT.min(payload.len())]) {
            to.write(*from);
        }
        // SAFETY: the bytes lie in memory that the kernel or an earlier message has filled, any value is a `u8`, and
        // nobody looks at more of them than were written just now.
        unsafe { loan.assume_init() }.send()?;
        self.sender.notify()
    }
}

pub(crate) struct Receiver {
    subscriber: Subscriber<Service, [u8], ()>,
    listener: Option<Listener<Service>>,
}

impl Receive for Receiver {
    #[inline]
    fn poll(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(sample) = self.subscriber.receive()? else { return Ok(false) };
        show(sample.payload())?;
        Ok(true)
    }

    fn wait(&mut self, mut show: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !self.poll(&mut show)? {
            self.listener.as_ref().ok_or("made for polling")?.blocking_wait(|_| {})?;
        }
        Ok(())
    }
}
