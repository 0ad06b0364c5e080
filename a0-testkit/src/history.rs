//! Random histories: what a topic and its readers do is compared with the [`Model`] after every step.

use std::collections::VecDeque;

use a0_core::layout::FRAME_HEADER;
use a0_core::{Cursor, Error, Select, SliceMem, Transport, Unshared};

use crate::model::{Model, Placed};
use crate::view::{Message, read_all, walk};

type Topic<'a> = Transport<SliceMem<'a>, Unshared>;

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// Under one lock: frames of these sizes, then a commit or not.
    Write {
        /// Data bytes of each.
        sizes: Vec<u64>,
        /// Whether they are committed.
        commit: bool,
    },
    /// Everything is removed.
    Clear,
    /// The arena shrinks or grows to the used space and this much more.
    Resize(u64),
    /// One more reader.
    Start(Place),
    /// A reader reads.
    Read {
        /// Which one, by its number modulo how many there are.
        reader: usize,
        /// What it goes for.
        select: Select,
        /// At most so many messages.
        count: usize,
    },
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Before everything.
    Oldest,
    /// Before the newest message.
    Newest,
    /// Behind everything.
    End,
}

/// Runs a history over an arena of `size` bytes.
///
/// # Panics
/// Where the topic and the model differ, or a reader gets anything else than it should.
pub fn run_history(size: usize, steps: &[Step]) {
    let mut bytes = vec![0; size];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    let mut model = Model::new(size as u64);
    let mut readers = [Place::Oldest, Place::Newest, Place::End]
        .map(|place| start(&topic, &model, place))
        .into_iter()
        .collect::<Vec<_>>();
    for step in steps {
        match step {
            Step::Write { sizes, commit } => write(&topic, &mut model, sizes, *commit),
            Step::Clear => {
                topic.lock(None).unwrap().clear().unwrap();
                model.clear();
            }
            Step::Resize(more) => {
                let arena = model.used() - 144 + more;
                let fits = arena <= size as u64 && model.resize(arena);
                assert_eq!(topic.lock(None).unwrap().resize(arena).is_ok(), fits);
            }
            Step::Start(place) => readers.push(start(&topic, &model, *place)),
            Step::Read { reader, select, count } => {
                let index = reader % readers.len();
                for _ in 0..*count {
                    read(&topic, &model, &mut readers[index], *select);
                }
            }
        }
        let content = messages(model.committed());
        assert_eq!(read_all(&topic, &mut Cursor::oldest(&topic).unwrap()).unwrap(), content);
        assert_eq!(topic.state().unwrap().high_water_mark, model.used());
        for reader in &readers {
            let news = content.last().is_some_and(|(seq, _)| *seq > reader.seq);
            assert_eq!(topic.has_news(&reader.cursor), Ok(news));
            assert!(topic.may_have_news(&reader.cursor) || !news);
        }
    }
    // At last everybody reads to the end.
    for reader in &mut readers {
        for _ in 0..=model.committed().len() {
            read(&topic, &model, reader, Select::Next);
        }
    }
}

/// A reader, and the last number that it has read.
struct Reader {
    cursor: Cursor,
    seq: u64,
}

/// Data that tells which message it belongs to.
fn data(seq: u64, size: u64) -> Vec<u8> {
    (0..size).map(|i| (seq * 31 + i * 7) as u8).collect()
}

/// What [`walk`] and [`read_all`] should give.
pub fn messages(frames: &VecDeque<Placed>) -> Vec<Message> {
    frames.iter().map(|frame| (frame.seq, frame.data.clone())).collect()
}

/// Writes frames to both, and compares what comes of it.
///
/// # Panics
/// Where they differ.
pub fn write(topic: &Topic<'_>, model: &mut Model, sizes: &[u64], commit: bool) {
    let mut locked = topic.lock(None).unwrap();
    for &size in sizes {
        let bytes = data(locked.state().seq_high + 1, size);
        let max = model.arena().saturating_sub(184);
        let too_large = Error::FrameTooLarge { size, max };
        assert_eq!(locked.alloc_evicts(size), model.evicts(size).ok_or(too_large));
        let slot = model.slot(size);
        match (locked.alloc(size), model.alloc(&bytes)) {
            (Ok(mut frame), Some(seq)) => {
                assert_eq!(frame.seq(), seq);
                frame.write(0, &bytes);
                assert_eq!(locked.tail().unwrap().map(|frame| frame.off), slot);
            }
            (Err(error), None) => assert_eq!(error, too_large),
            (ours, theirs) => panic!("{ours:?} and {theirs:?}"),
        }
        assert_eq!(locked.used_space(), model.used());
        assert_eq!(walk(&locked).unwrap(), messages(model.frames()));
    }
    if commit {
        locked.commit();
        model.commit();
    }
    drop(locked);
    model.unlock();
}

fn read(topic: &Topic<'_>, model: &Model, reader: &mut Reader, select: Select) {
    let mut buffer = vec![0; 4096];
    let got = topic.read(&mut reader.cursor, select, &mut &mut buffer[..]).unwrap();
    let mut unread = model.committed().iter().filter(|frame| frame.seq > reader.seq);
    let expected = if select == Select::Next { unread.next() } else { unread.next_back() };
    assert_eq!(
        got.map(|got| (got.seq, got.offset, got.missed, &buffer[..got.len])),
        expected.map(|frame| (frame.seq, frame.off + FRAME_HEADER, frame.seq - reader.seq - 1, &frame.data[..]))
    );
    if let Some(frame) = expected {
        reader.seq = frame.seq;
    }
    // Behind what was cleared there is nothing to wait for, although it still counts as missed.
    let cleared = expected.is_none() && model.committed().is_empty();
    assert_eq!(reader.cursor.seq(), if cleared { model.committed_seq() } else { reader.seq });
}

fn start(topic: &Topic<'_>, model: &Model, place: Place) -> Reader {
    let (frames, last) = (model.committed(), model.committed_seq());
    let (cursor, seq) = match place {
        Place::Oldest => (Cursor::oldest(topic), frames.front().map_or(last, |frame| frame.seq - 1)),
        Place::Newest => (Cursor::newest(topic), frames.back().map_or(last, |frame| frame.seq - 1)),
        Place::End => (Cursor::end(topic), last),
    };
    Reader { cursor: cursor.unwrap(), seq }
}
