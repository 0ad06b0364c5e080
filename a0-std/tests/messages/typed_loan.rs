//! Plain data in the topic itself.

use a0_std::{Init, Publisher, SubscriberSync};
use a0_testkit::private_root::topic;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unalign, Unaligned};

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Point {
    tag: u8,
    x: U64,
    y: U32,
}

#[test]
fn plain_data_goes_in_and_comes_out_at_any_address() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let mut subscriber = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    // Enough for sequence numbers of one digit and of two, and so for payloads at other addresses.
    for n in 0..12u64 {
        let point = Point { tag: n as u8, x: (n << 40).into(), y: 7.into() };
        let mut loan = publisher.loan_as::<Point>().unwrap();
        loan.with(|loan| *loan = point);
        assert_eq!(loan.with(|loan| (*loan, loan.x.get())), (point, n << 40));
        loan.commit();
        assert_eq!(subscriber.read_in_place(|view| view.read_as::<Point>(0)).unwrap().unwrap(), Some(point));

        let mut loan = publisher.loan_slice_as::<Point>(n as usize).unwrap();
        loan.with(|points| {
            assert_eq!(points.len(), n as usize);
            points.fill(point);
        });
        loan.commit();
        let message = subscriber.read().unwrap().unwrap();
        let points = <[Point]>::ref_from_bytes(message.payload()).unwrap();
        assert_eq!(points, vec![point; n as usize]);

        let mut loan = publisher.loan_as::<Unalign<f64>>().unwrap();
        loan.with(|value| value.set(0.5));
        loan.commit();
        let seen = subscriber.read_in_place(|view| (view.read_as::<f64>(0), view.read_as::<f64>(1)));
        assert_eq!(seen.unwrap(), Some((Some(0.5), None)));
    }
    assert!(publisher.loan_slice_as::<Point>(usize::MAX).is_err());
}
