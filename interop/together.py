"""Rust and Python publish on one topic at once, while Rust and Python readers block; and arrive one after the other."""

import time

from harness import STALL_MS, Peer, check_tally, end, scenario

COUNT = 10_000
RATE = 2_500


def all_at_once():
    with (
        Peer("rust", "subscribe", "all") as rust,
        Peer("python", "subscribe", "all") as python,
        Peer("rust", "subscribe", "all", "--kind", "threaded") as rust_threaded,
        Peer("python", "subscribe", "all", "--kind", "threaded") as python_threaded,
        Peer("rust", "publish", "all", "--writer", "r", "--count", COUNT, "--rate", RATE) as rust_writer,
        Peer("python", "publish", "all", "--writer", "p", "--count", COUNT, "--rate", RATE) as python_writer,
    ):
        for writer in rust_writer, python_writer:
            writer.go()
        for writer in rust_writer, python_writer:
            report = writer.report()
            assert report["longest_ms"] < STALL_MS, f"{writer.name}: a publish stood still"
        published = end("all")
        assert published == 2 * COUNT + 1
        for reader in rust, python, rust_threaded, python_threaded:
            check_tally(reader.name, reader.report(), published)


def newcomer(topic, first, then, reader):
    """A reader is blocked on a topic that only `first` uses; then `then` arrives and publishes, slowly."""
    with Peer(reader, "subscribe", topic) as subscriber:
        for writer in first, then, first, then:
            with Peer(writer, "publish", topic, "--writer", writer, "--count", 50, "--rate", 100) as publisher:
                # Long enough for the reader to be asleep.
                time.sleep(0.2)
                publisher.go().report()
        published = end(topic)
        check_tally(f"{reader} reader, {first} and then {then}", subscriber.report(), published)


def run():
    all_at_once()
    newcomer("python-arrives", "rust", "python", "rust")
    newcomer("rust-arrives", "python", "rust", "python")
    newcomer("rust-arrives-late", "python", "rust", "rust")
    newcomer("python-arrives-late", "rust", "python", "python")


scenario(run)
