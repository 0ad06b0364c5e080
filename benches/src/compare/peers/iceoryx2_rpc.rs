//! iceoryx2's own requests and responses.

use ::iceoryx2::port::client::Client;
use ::iceoryx2::port::server::Server;
use ::iceoryx2::prelude::Node;

use super::iceoryx2::{Service, event, with_node};
use crate::Result;
use crate::compare::control::Control;
use crate::compare::figures::Figures;
use crate::compare::part::{Part, Task, Waiting};

/// Names of the service and of the events of each side.
const SERVICE: &str = "calls";
const ASKED: &str = "asked";
const ANSWERED: &str = "answered";

pub(super) fn does(task: Task, _size: usize) -> bool {
    matches!(task, Task::Rpc(_))
}

pub(super) fn play(part: &Part) -> Result<Option<Figures>> {
    let asleep = part.task != Task::Rpc(Waiting::Polling);
    let control = Control::open(&part.dir)?;
    with_node(&part.dir, |node| {
        if part.is_first() {
            let _server = part.start(1)?;
            control.wait_ready(1)?;
            ask(part, node, asleep).map(Some)
        } else {
            answer(part, node, asleep, &control).map(|()| None)
        }
    })
}

fn ask(part: &Part, node: &Node<Service>, asleep: bool) -> Result<Figures> {
    let service = node.service_builder(&SERVICE.try_into()?).request_response::<[u8], [u8]>().open_or_create()?;
    let client: Client<_, [u8], (), [u8], ()> =
        service.client_builder().initial_max_slice_len(part.size.max(1)).create()?;
    let notifier = event(node, ASKED)?.notifier_builder().create()?;
    let listener = event(node, ANSWERED)?.listener_builder().create()?;
    let payload = vec![7; part.size];
    Figures::of(part.span, || {
        let pending = client.loan_slice_uninit(payload.len())?.write_from_slice(&payload).send()?;
        if asleep {
            notifier.notify()?;
        }
        while pending.receive()?.is_none() {
            if asleep {
                listener.blocking_wait(|_| {})?;
            }
        }
        Ok(())
    })
}

fn answer(part: &Part, node: &Node<Service>, asleep: bool, control: &Control) -> Result<()> {
    let service = node.service_builder(&SERVICE.try_into()?).request_response::<[u8], [u8]>().open_or_create()?;
    let server: Server<_, [u8], (), [u8], ()> =
        service.server_builder().initial_max_slice_len(part.size.max(1)).create()?;
    let listener = event(node, ASKED)?.listener_builder().create()?;
    let notifier = event(node, ANSWERED)?.notifier_builder().create()?;
    control.ready();
    loop {
        while let Some(request) = server.receive()? {
            request.loan_slice_uninit(request.payload().len())?.write_from_slice(request.payload()).send()?;
            if asleep {
                notifier.notify()?;
            }
        }
        if asleep {
            listener.blocking_wait(|_| {})?;
        }
    }
}
