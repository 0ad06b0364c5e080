//! Values instead of bytes: what arrives, what is refused, and what hostile payloads cannot do.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::mpsc::channel;
use std::time::Duration;

use a0_std::codec::{CONTENT_TYPE, Codec, Json, MsgPack, Plain, Postcard, SCHEMA};
use a0_std::{Error, Init, Publisher, Schema, TypedPublisher, TypedSubscriber, TypedSubscriberSync};
use a0_testkit::private_root::topic;
use a0_testkit::until;
use serde::{Deserialize, Serialize};
use zerocopy::byteorder::little_endian::{F64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const PATIENCE: Duration = Duration::from_secs(20);

/// Remembers the largest piece of memory that each thread has asked for.
struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // Not there any more while a thread ends.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: all is left to the system's allocator; noting a number allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static WATCHING: Watching = Watching;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Track {
    name: String,
    points: Vec<[f64; 2]>,
    tags: BTreeMap<String, Option<u64>>,
    raw: Vec<u8>,
}

impl Schema for Track {
    const NAME: &'static str = "test.Track.v1";
}

/// The same bytes under another name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Route(Track);

impl Schema for Route {
    const NAME: &'static str = "test.Route";
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

impl Schema for Tree {
    const NAME: &'static str = "test.Tree";
}

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Pose {
    frame: U32,
    position: [F64; 3],
}

impl Schema for Pose {
    const NAME: &'static str = "test.Pose";
}

fn track() -> Track {
    Track {
        name: "ünder".into(),
        points: vec![[0.1, -1e300], [f64::MIN_POSITIVE, 0.0]],
        tags: [("a".to_owned(), None), (String::new(), Some(u64::MAX))].into(),
        raw: vec![0, 255, 7],
    }
}

fn pose() -> Pose {
    Pose { frame: 7.into(), position: [1.0.into(), 2.0.into(), 0.5.into()] }
}

fn round_trip<T: Schema + Clone + PartialEq + Debug + Send + 'static, C: Codec<T> + 'static>(value: &T) {
    let topic = topic();
    let publisher = TypedPublisher::<T, C>::new(&topic).unwrap();
    let first = publisher.publish(value).unwrap();
    publisher.publish_with(&[("unit", "m")], value).unwrap();

    let mut sync = TypedSubscriberSync::<T, C>::new(&topic, Init::Oldest).unwrap();
    let received = sync.read().unwrap().unwrap();
    assert_eq!((&received.value, received.message.seq(), received.message.id()), (value, 1, first.id.as_str()));
    assert_eq!(received.message.header(CONTENT_TYPE), Some(C::CONTENT_TYPE));
    assert_eq!(received.message.header(SCHEMA), Some(T::NAME));
    let received = sync.read_blocking(PATIENCE).unwrap();
    assert_eq!((&received.value, received.message.header("unit")), (value, Some("m")));
    assert!(sync.read().unwrap().is_none());

    let (tell, told) = channel();
    let threaded = TypedSubscriber::<T, C>::new(&topic, Init::Oldest, move |received| {
        tell.send((received.value, received.message.seq())).unwrap();
    })
    .unwrap();
    for seq in [1, 2] {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (value.clone(), seq));
    }
    assert_eq!(threaded.skipped(), 0);
}

#[test]
fn what_is_published_arrives() {
    round_trip::<Track, Json>(&track());
    round_trip::<Track, Postcard>(&track());
    round_trip::<Track, MsgPack>(&track());
    round_trip::<Pose, Plain>(&pose());
    round_trip::<Track, MsgPack>(&Track { raw: vec![1; 300_000], ..track() });
}

#[test]
fn another_type_is_an_error_that_names_both() {
    let topic = topic();
    TypedPublisher::<Track, MsgPack>::new(&topic).unwrap().publish(&track()).unwrap();
    TypedPublisher::<Route, Json>::new(&topic).unwrap().publish(&Route(track())).unwrap();
    let untyped = Publisher::new(&topic).unwrap();
    untyped.publish("{}").unwrap();
    untyped.publish_with(&[(CONTENT_TYPE, "text/plain\u{1b}[2J"), (SCHEMA, &"x".repeat(100_000))], "").unwrap();
    TypedPublisher::<Track, Json>::new(&topic).unwrap().publish(&track()).unwrap();

    let mut sync = TypedSubscriberSync::<Track, Json>::new(&topic, Init::Oldest).unwrap();
    let found = [
        "application/vnd.msgpack test.Track.v1".to_owned(),
        "application/json test.Route".to_owned(),
        "(no content-type) (no schema)".to_owned(),
        format!("text/plain\\u{{1b}}[2J {}", "x".repeat(100)),
    ];
    let path = sync.file().path().to_owned();
    let expected: Vec<_> = (1..)
        .zip(&found)
        .map(|(n, it)| {
            format!("{}: message {n} is {it}, but application/json test.Track.v1 is expected", path.display())
        })
        .collect();
    for (n, expected) in (1..).zip(&expected) {
        assert!(sync.can_read().unwrap());
        let error = sync.read().unwrap_err();
        assert!(matches!(error, Error::WrongType { seq, missed: 0, .. } if seq == n), "{error:?}");
        assert_eq!(&error.to_string(), expected);
    }
    assert_eq!(sync.read().unwrap().unwrap().value, track());

    let (tell, told) = channel();
    let threaded = TypedSubscriber::<Track, Json>::with_errors(&topic, Init::Oldest, move |received| {
        tell.send(received.map(|it| it.value).map_err(|error| error.to_string())).unwrap();
    })
    .unwrap();
    for expected in expected {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Err(expected));
    }
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(track()));
    assert_eq!(threaded.skipped(), 4);
    let quiet = TypedSubscriber::<Track, Json>::new(&topic, Init::Oldest, |_| {}).unwrap();
    until(|| quiet.skipped() == 4);
}

/// Publishes payloads that claim to be `T`s; each must be refused, without making room for more than `room` bytes at once.
fn refuses<T: Schema + Debug, C: Codec<T>>(room: usize, payloads: &[&[u8]]) {
    let topic = topic();
    let liar = Publisher::new(&topic).unwrap();
    let mut sync = TypedSubscriberSync::<T, C>::new(&topic, Init::Oldest).unwrap();
    for (n, payload) in (1..).zip(payloads) {
        liar.publish_with(&[(CONTENT_TYPE, C::CONTENT_TYPE), (SCHEMA, T::NAME)], payload).unwrap();
        LARGEST.set(0);
        let error = sync.read().unwrap_err();
        let largest = LARGEST.get();
        assert!(matches!(error, Error::BadPayload { seq, missed: 0, .. } if seq == n), "{payload:?}: {error:?}");
        let says = error.to_string();
        assert!(says.contains(&format!(": message {n} is no valid {} {}: ", C::CONTENT_TYPE, T::NAME)), "{says}");
        let most = payload.len() * room + 4096;
        assert!(largest <= most, "{largest} bytes for a message of {}: {payload:?}", payload.len());
    }
    assert!(sync.read().unwrap().is_none());
}

#[test]
fn hostile_payloads_are_errors_and_take_no_room() {
    refuses::<Track, Json>(1, &[b"", b"{", b"\xff", b"{}", b"[1", b"{\"name\":5}", br#"{"name":"a","points":[[1]]}"#]);
    refuses::<Tree, Json>(32, &[&[b'['; 100_000]]);

    // Names and lists that claim to be longer than memory, lists that are shorter than they claim, and leftovers.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let list = [&[0][..], &huge[..]].concat();
    let bytes = [&[0, 0, 0][..], &huge[..], &[1]].concat();
    let mebibytes = [0, 0xff, 0xff, 0x3f];
    let some = [&[0][..], &[100], &[7; 64]].concat();
    let more = [Postcard::encode(&track()).unwrap().as_ref(), b"x"].concat();
    refuses::<Track, Postcard>(16, &[b"", &huge, &[0xff; 40], &list, &bytes, &mebibytes, &some, &more]);

    let named = |key: &str, value: &[u8]| {
        let mut bytes = rmp_serde_bytes(&track());
        let at = bytes.windows(key.len()).position(|it| it == key.as_bytes()).unwrap() + key.len();
        bytes.truncate(at);
        [bytes.as_slice(), value].concat()
    };
    let more = [rmp_serde_bytes(&track()).as_slice(), &[0xc0]].concat();
    let hostile = [
        vec![],
        vec![0xc1],
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
        named("name", &[0xdb, 0xff, 0xff, 0xff, 0xff]),
        named("name", &[0xa1, 0xff]),
        named("points", &[0xdd, 0xff, 0xff, 0xff, 0xff]),
        named("points", &[0xdd, 0, 0x10, 0, 0, 0x90]),
        named("tags", &[0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0]),
        named("raw", &[0xdd, 0xff, 0xff, 0xff, 0xff, 1]),
        named("raw", &[0xc6, 0xff, 0xff, 0xff, 0xff, 1]),
        more,
    ];
    refuses::<Track, MsgPack>(16, &hostile.each_ref().map(Vec::as_slice));
    refuses::<Tree, MsgPack>(32, &[&[0x91; 100_000], &[0xdd; 100_000], &[0xdd, 0xff, 0xff, 0xff, 0xff, 0x90]]);

    refuses::<Pose, Plain>(1, &[b"", &[0; 27], &[0; 29], &[0; 100_000]]);
}

fn rmp_serde_bytes(track: &Track) -> Vec<u8> {
    MsgPack::encode(track).unwrap().into_owned()
}

#[test]
fn what_cannot_be_expressed_is_not_published() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Keyed(BTreeMap<Vec<u8>, u8>);
    impl Schema for Keyed {
        const NAME: &'static str = "test.Keyed";
    }

    let publisher = TypedPublisher::<Keyed, Json>::new(&topic()).unwrap();
    let error = publisher.publish(&Keyed([(vec![1], 1)].into())).unwrap_err();
    assert!(matches!(error, Error::NotEncodable { .. }), "{error:?}");
    assert!(
        error.to_string().ends_with("the value cannot be sent as application/json test.Keyed: key must be a string")
    );
    assert_eq!(publisher.publish(&Keyed(BTreeMap::new())).unwrap().seq, 1);
}

#[test]
fn plain_data_goes_without_copies() {
    let topic = topic();
    let publisher = TypedPublisher::<Pose, Plain>::new(&topic).unwrap();
    let mut sync = TypedSubscriberSync::<Pose, Plain>::new(&topic, Init::Oldest).unwrap();
    assert_eq!(sync.read_locked(|pose| *pose).unwrap(), None);
    assert!(sync.read_in_place(|_| ()).unwrap().is_none());

    let put = || {
        let mut loan = publisher.loan().unwrap();
        loan.with(|value| *value = pose());
        loan.commit();
    };
    put();
    put();
    put();
    assert_eq!(sync.read().unwrap().unwrap().value, pose());
    assert_eq!(sync.read_locked(|pose| *pose).unwrap(), Some(pose()));
    let height = sync.read_in_place(|view| view.read_as::<F64>(20).map(F64::get)).unwrap();
    assert_eq!(height, Some(Some(0.5)));

    // Of both kinds of reading, once what has another type, and once what lies about it.
    let headers = [(CONTENT_TYPE, <Plain as Codec<Pose>>::CONTENT_TYPE), (SCHEMA, Pose::NAME)];
    for _ in 0..2 {
        publisher.untyped().publish([0; 28]).unwrap();
        publisher.untyped().publish_with(&headers, [0; 27]).unwrap();
    }
    put();
    assert!(matches!(sync.read_locked(|_| ()), Err(Error::WrongType { seq: 4, .. })));
    assert!(matches!(sync.read_locked(|_| ()), Err(Error::BadPayload { seq: 5, .. })));
    assert!(matches!(sync.read_in_place(|_| ()), Err(Error::WrongType { seq: 6, .. })));
    let error = sync.read_in_place(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("octet-stream test.Pose: 27 bytes, where the type has 28"), "{error}");
    assert_eq!(sync.read_locked(|pose| *pose).unwrap(), Some(pose()));
}
