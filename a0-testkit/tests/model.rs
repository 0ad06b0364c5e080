//! Random histories against the reference model.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use a0_core::{Select, SliceMem, Transport, Unshared};
use a0_testkit::{Model, Place, Step, history, run_history, walk};
use proptest::collection::vec;
use proptest::prelude::*;

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![12 => 0..300u64, 1 => Just(5000), 1 => 1900..2100u64];
    let place = prop_oneof![Just(Place::Oldest), Just(Place::Newest), Just(Place::End)];
    let select = prop_oneof![3 => Just(Select::Next), 1 => Just(Select::Newest)];
    prop_oneof![
        10 => (vec(size, 1..4), prop::bool::weighted(0.9)).prop_map(|(sizes, commit)| Step::Write { sizes, commit }),
        1 => Just(Step::Clear),
        1 => (0..800u64).prop_map(Step::Resize),
        2 => place.prop_map(Step::Start),
        8 => (any::<usize>(), select, 1..4usize).prop_map(|(reader, select, count)| Step::Read { reader, select, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories(size in 200..2000usize, steps in vec(step(), 1..60)) {
        run_history(size, &steps);
    }

    #[test]
    fn small_arenas(size in 184..420usize, steps in vec(step(), 1..60)) {
        run_history(size, &steps);
    }
}

/// The model itself, against a state that the C library has left behind.
#[test]
fn the_model_wraps_twice_like_the_c_library() {
    let mut model = Model::new(512);
    for _ in 0..7 {
        model.alloc(&[0; 40]).unwrap();
        model.commit();
    }
    let places = |model: &Model| model.frames().iter().map(|f| (f.seq, f.off)).collect::<Vec<_>>();
    assert_eq!(places(&model), [(4, 384), (5, 144), (6, 224), (7, 304)]);
    assert_eq!(model.used(), 464);
    model.alloc(&[0; 88]).unwrap();
    assert_eq!(places(&model), [(7, 304), (8, 144)]);
    assert_eq!(model.used(), 384);
}

/// The comparison can fail: one byte more or less in a message leads to another content.
#[test]
fn a_wrong_expectation_is_noticed() {
    let mut bytes = vec![0; 512];
    let topic = Transport::open(SliceMem::new(&mut bytes).unwrap(), Unshared).unwrap();
    let mut model = Model::new(512);
    for _ in 0..7 {
        history::write(&topic, &mut model, &[40], true);
    }
    model.alloc(&[0; 87]).unwrap();
    topic.lock(None).unwrap().push(&[0; 88]).unwrap();
    assert_ne!(walk(&topic.lock(None).unwrap()).unwrap(), history::messages(model.frames()));
}
