//! Subscribers of every kind.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use a0_core::{Encoder, Id};
use a0_std::{
    Error, File, Init, Message, PacketView, ReaderOptions, Subscriber, SubscriberSync, SubscriberSyncZeroCopy,
    SubscriberZeroCopy, View,
};

use crate::orders::Outcome;
use crate::stage::Stage;
use crate::stats::{Counter, Phase};

/// Between two looks whether it is time to leave.
const LOOK: Duration = Duration::from_millis(200);

fn options(stage: &Stage) -> ReaderOptions {
    ReaderOptions::default().init(Init::Oldest).file(stage.file_options())
}

pub(crate) fn sync(stage: &Stage) -> Outcome {
    let mut subscriber = SubscriberSync::new(&stage.orders.topic, options(stage))?;
    let mut judge = stage.judge()?;
    stage.ready()?;
    loop {
        let is_over = stage.is_over(Phase::ReadersStop);
        let failure = match subscriber.read() {
            Ok(Some(message)) => {
                judge.message(&message);
                None
            }
            Ok(None) if is_over => return Ok(()),
            Ok(None) => {
                judge.waits();
                subscriber.read_blocking(LOOK).map(|message| judge.message(&message)).err()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failure
            && judge.failed(error)?
        {
            subscriber = SubscriberSync::new(&stage.orders.topic, options(stage))?;
        }
    }
}

pub(crate) fn in_place(stage: &Stage) -> Outcome {
    let mut subscriber = SubscriberSync::new(&stage.orders.topic, options(stage))?;
    let mut judge = stage.judge()?;
    stage.ready()?;
    let mut bytes = Vec::new();
    loop {
        let is_over = stage.is_over(Phase::ReadersStop);
        let seen = match subscriber.read_in_place(|view| rebuild(&view, &mut bytes)) {
            Ok(None) if is_over => return Ok(()),
            Ok(None) => {
                judge.waits();
                subscriber.read_in_place_blocking(LOOK, |view| rebuild(&view, &mut bytes)).map(Some)
            }
            seen => seen,
        };
        match seen {
            Ok(Some((seq, missed))) => judge.received(seq, missed, PacketView::parse(&bytes).as_ref().ok()),
            Ok(None) => {}
            Err(error) => {
                if judge.failed(error)? {
                    subscriber = SubscriberSync::new(&stage.orders.topic, options(stage))?;
                }
            }
        }
    }
}

/// Makes a packet of what is seen; gives its place.
fn rebuild(view: &View<'_>, bytes: &mut Vec<u8>) -> (u64, u64) {
    let mut payload = vec![0; view.len()];
    let headers: Vec<_> = view.headers().collect();
    bytes.clear();
    if let (Some(()), Ok(id)) = (view.copy_to(0, &mut payload), Id::parse(view.id().as_bytes()))
        && let Ok(encoder) = Encoder::new(&id, &[&headers], &payload)
    {
        bytes.resize(encoder.encoded_len(), 0);
        // What fails is no packet, and will be found to be none.
        let _ = encoder.encode_into(bytes);
    }
    (view.seq(), view.missed())
}

pub(crate) fn sync_zero_copy(stage: &Stage) -> Outcome {
    let mut subscriber = SubscriberSyncZeroCopy::new(&stage.orders.topic, options(stage))?;
    let mut judge = stage.judge()?;
    stage.ready()?;
    loop {
        let is_over = stage.is_over(Phase::ReadersStop);
        let read = match subscriber.read(|message| judge.message(&message)) {
            Ok(None) if is_over => return Ok(()),
            Ok(None) => {
                judge.waits();
                subscriber.read_blocking(LOOK, |message| judge.message(&message))
            }
            read => read.map(drop),
        };
        if let Err(error) = read
            && judge.failed(error)?
        {
            subscriber = SubscriberSyncZeroCopy::new(&stage.orders.topic, options(stage))?;
        }
    }
}

pub(crate) fn threaded(stage: &Stage) -> Outcome {
    let mut judge = stage.judge()?;
    let failure = Arc::new(Mutex::new(None));
    let failed = Arc::clone(&failure);
    let subscriber = Subscriber::with_errors(&stage.orders.topic, options(stage), move |result| {
        let result = match result {
            Ok(message) => {
                judge.message(&message);
                Ok(())
            }
            // It goes on with the new file by itself.
            Err(error) => judge.failed(error).map(drop).map_err(|error| error.to_string()),
        };
        judge.waits();
        if let Err(error) = result {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    })?;
    stage.ready()?;
    stay(stage, subscriber.file())?;
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

pub(crate) fn zero_copy(stage: &Stage) -> Outcome {
    let mut judge = stage.judge()?;
    let on_message = move |message: Message<'_>| {
        judge.message(&message);
        judge.waits();
    };
    let subscriber = SubscriberZeroCopy::new(&stage.orders.topic, options(stage), on_message)?;
    stage.ready()?;
    stay(stage, subscriber.file())?;
    stage.role.add(Counter::Damaged, subscriber.skipped());
    Ok(())
}

/// Waits until the subscriber's thread has got everything. Where files are removed, others wait for that.
fn stay(stage: &Stage, file: &File) -> Outcome {
    let has_all =
        || Ok::<_, Error>(stage.orders.anew.is_some() || stage.role.get(Counter::LastSeq) >= file.state()?.seq_high);
    while !stage.is_over(Phase::ReadersStop) || !has_all()? {
        if stage.is_over(Phase::ReadersStop) && stage.has_overstayed() {
            return Err("not all messages have come".into());
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
