//! `a0 demo`: two processes, shown and measured.

mod measure;
mod peer;
mod place;
mod roles;
mod syscalls;

use std::io::Write;
use std::time::{Duration, Instant};

use a0_std::{Init, ReaderSync, Writer};
use clap::Parser;

use crate::console::{Harmless, Output, output};
use crate::end::Outcome;
use crate::stop::Stop;
use measure::{Bench, Stream};
pub(crate) use peer::PEER;
use peer::{Peer, Role};
use place::Place;
pub(crate) use roles::PeerArgs;

/// See two processes exchange messages, and how fast that is on this machine
///
/// Takes about ten seconds, in a directory of its own that is removed afterwards; topics of other programs are not
/// touched. Run it on an idle machine, and look at the first and the last line of the table: where they differ, the
/// machine was busy with other things, or has moved the processes.
#[derive(Debug, Parser)]
pub(crate) struct Args {}

impl Args {
    pub(crate) fn run(self, stop: &Stop) -> Outcome {
        stop.watch_output()?;
        // From here on it ends by itself when it is told to, so that everything is cleaned up.
        let _hold = stop.hold();
        let place = Place::new()?;
        let mut output = output()?;
        conversation(&place, stop, &mut output)?;
        place.pin_first();
        table(&Bench { place: &place, stop }, &mut output)?;
        Ok(output.flush()?)
    }
}

const QUESTIONS: [&str; 3] = ["what is 6 x 7?", "and 6 x 9?", "goodbye"];

/// Shows messages crossing. The other process prints its lines itself.
fn conversation(place: &Place, stop: &Stop, output: &mut Output) -> Outcome {
    let me = std::process::id();
    let question = Writer::new(&place.file(peer::QUESTION)?).with_standard_headers();
    let mut answers = ReaderSync::new(&place.file(peer::ANSWER)?, Init::Oldest)?;
    stop.interrupts(answers.interrupter());
    let peer = Peer::start(place, Role::Answer)?;
    writeln!(
        output,
        "Process {me} has started process {}. All they share are two topics in shared memory.\n",
        peer.id()
    )?;
    for text in QUESTIONS {
        // Before the other process has something to say, so that the lines are in order.
        writeln!(output, "  process {me} asks:    {text}")?;
        output.flush()?;
        question.write(text)?;
        let answer = answers.read_blocking(Duration::from_secs(10))?;
        writeln!(output, "  process {me} hears:   {}", Harmless(answer.payload()))?;
    }
    Ok(output.flush()?)
}

fn table(bench: &Bench<'_>, output: &mut Output) -> Outcome {
    let started = Instant::now();
    writeln!(output, "\nOn this machine ({}):\n", bench.place)?;
    row(output, "MEDIAN", "x LINE", "WHAT")?;
    let line = bench.line()?;
    let time =
        |output: &mut Output, what, nanos: f64| row(output, &nanoseconds(nanos), &format!("{:.1}", nanos / line), what);
    time(output, "raw cache line, there and back: what the hardware takes, without AlephZero", line)?;
    time(output, "polled round trip, 64 B raw: publish, be read, be answered, read that", bench.raw_round_trip()?)?;
    time(output, "polled round trip, 64 B packets: with id and five headers each way", bench.packet_round_trip()?)?;
    time(output, "blocking round trip, 64 B packets: both asleep, woken by the kernel", bench.blocking_round_trip()?)?;
    time(output, "publish 64 B raw into a full arena, nobody listening", bench.raw_publish()?)?;
    time(output, "publish 64 B with id and five headers into a full arena, nobody listening", bench.packet_publish()?)?;
    stream(output, "64 B raw", &bench.raw_stream()?)?;
    stream(output, "64 B packets", &bench.packet_stream()?)?;
    match syscalls::count(bench)? {
        Ok(counts) => {
            for (count, what) in counts.rows() {
                row(output, &format!("{count:.2}"), "", what)?;
            }
        }
        Err(reason) => row(output, "-", "", &format!("system calls per publish: not measured: {}", reason.trim()))?,
    }
    time(output, "raw cache line once more: if it differs from the first, so may all of the above", bench.line()?)?;
    writeln!(output, "\nMeasured in {:.1} s.", started.elapsed().as_secs_f64())?;
    Ok(())
}

fn stream(output: &mut Output, what: &str, stream: &Stream) -> Outcome {
    let missed = stream.missed_percent();
    let what =
        format!("received from a process that publishes without pause, {what} ({missed:.0} % overwritten unread)");
    row(output, &stream.rate(), "", &what)
}

fn row(output: &mut Output, value: &str, lines: &str, what: &str) -> Outcome {
    writeln!(output, "{value:>10}  {lines:>7}  {what}")?;
    Ok(output.flush()?)
}

fn nanoseconds(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 100.0 => format!("{nanos:.1} ns"),
        nanos if nanos < 10_000.0 => format!("{nanos:.0} ns"),
        nanos => format!("{:.1} µs", nanos / 1000.0),
    }
}
