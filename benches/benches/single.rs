//! One thread, by criterion: publishing, reading, the packet codec, and what they are made of.
#![allow(missing_docs, reason = "criterion's macros make public items without")]

use std::hint::black_box;
use std::time::Duration;

use a0_benches::hot::{Replay, Sample, poll_empty, publish_packet, publish_raw};
use a0_benches::topics::DEFAULT_ARENA;
use a0_benches::{Result, pin};
use a0_core::{Clock, FlatPacket};
use a0_linux::SystemClock;
use a0_std::random_id;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

const SIZES: [usize; 5] = [0, 64, 1 << 10, 1 << 16, 1 << 20];

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1200)).sample_size(40);
    group
}

fn publish(criterion: &mut Criterion) -> Result<()> {
    let mut raw = group(criterion, "publish raw, evicting");
    for size in SIZES {
        raw.bench_function(BenchmarkId::from_parameter(size), |b| {
            let mut publish = publish_raw(DEFAULT_ARENA, size).expect("a topic");
            b.iter(&mut publish);
        });
    }
    raw.finish();

    let mut packets = group(criterion, "publish with id and standard headers, evicting");
    for size in SIZES {
        packets.bench_function(BenchmarkId::from_parameter(size), |b| {
            let mut publish = publish_packet(DEFAULT_ARENA, size, &[]).expect("a topic");
            b.iter(&mut publish);
        });
    }
    packets.bench_function("64 and a header", |b| {
        let mut publish = publish_packet(DEFAULT_ARENA, 64, &[("unit", "mm")]).expect("a topic");
        b.iter(&mut publish);
    });
    packets.finish();

    let mut copies = group(criterion, "memcpy");
    for size in SIZES {
        let from = vec![7u8; size];
        // As much memory as an arena, so that the caches are used alike.
        let mut to = vec![0u8; (DEFAULT_ARENA as usize).max(size)];
        let mut at = 0;
        copies.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                at = if at + 2 * size > to.len() { 0 } else { at + size };
                to[at..at + size].copy_from_slice(black_box(&from));
                black_box(to.as_ptr());
            });
        });
    }
    copies.finish();
    Ok(())
}

fn read(criterion: &mut Criterion) -> Result<()> {
    let mut group = group(criterion, "read");
    let mut raw = Replay::raw(DEFAULT_ARENA, 64)?;
    group.throughput(Throughput::Elements(1));
    group.bench_function("replay of 16 MiB, raw 64, each", |b| b.iter(|| raw.step()));
    let mut packets = Replay::packets(DEFAULT_ARENA, 64)?;
    group.bench_function("replay of 16 MiB, packets 64, each", |b| b.iter(|| packets.step_packet()));
    group.bench_function("empty poll", |b| {
        let mut poll = poll_empty().expect("a topic");
        b.iter(&mut poll);
    });
    group.finish();
    Ok(())
}

fn parts(criterion: &mut Criterion) -> Result<()> {
    let mut group = group(criterion, "parts");
    let sample = Sample::default();
    let mut buffer = [0; 512];
    let len = sample.encode(&mut buffer);
    group.bench_function("packet decode", |b| {
        b.iter(|| FlatPacket::parse(black_box(&buffer[..len])).map(|packet| packet.payload().len()));
    });
    group.bench_function("packet encode", |b| b.iter(|| sample.encode(black_box(&mut buffer))));
    group.bench_function("id", |b| b.iter(random_id));
    group.bench_function("clock, since boot", |b| b.iter(|| SystemClock.mono()));
    group.bench_function("clock, civil", |b| b.iter(|| SystemClock.wall()));
    group.bench_function("text of time since boot", |b| {
        let time = SystemClock.mono();
        b.iter(|| black_box(time).to_text());
    });
    group.bench_function("text of civil time", |b| {
        let time = SystemClock.wall();
        b.iter(|| black_box(time).to_text());
    });
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    pin::core(0).and_then(pin::to).expect("a core");
    publish(criterion).expect("publishing");
    read(criterion).expect("reading");
    parts(criterion).expect("parts");
}

criterion_group!(benches, all);
criterion_main!(benches);
