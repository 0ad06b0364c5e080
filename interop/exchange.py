"""Messages of 0 B to 100 KiB from Rust to Python and from Python to Rust, blocking and threaded readers."""

from harness import Peer, check_tally, end, scenario

PACED = 20_000
RATE = 4_000
FLAT_OUT = 20_000


def exchange(writer, reader, kind, count, *, rate=0, arena=16 << 20):
    topic = f"{writer}-{reader}-{kind}-{rate}"
    with (
        Peer(reader, "subscribe", topic, "--kind", kind, "--arena", arena) as subscriber,
        Peer(writer, "publish", topic, "--writer", "w", "--count", count, "--rate", rate) as publisher,
    ):
        publisher.go().report()
        published = end(topic)
        assert published == count + 1
        tally = subscriber.report()
        # A Python writer damages its history when it laps a reader: it lacks one eviction rule.
        lapped_by_python = writer == "python" and (not rate or tally["missed"] > 0)
        check_tally(f"{writer} to {reader}, {kind}", tally, published, stalls=rate != 0, damage=lapped_by_python)
        return tally


def run():
    for writer, reader in ("rust", "python"), ("python", "rust"):
        for kind in "sync", "threaded":
            tally = exchange(writer, reader, kind, PACED, rate=RATE)
            assert tally["received"] > PACED * 0.9, "the reader did not even keep up with a slow writer"
        # As fast as possible, in a topic that holds little: what is lost has to be counted.
        exchange(writer, reader, "sync", FLAT_OUT, arena=1 << 20)


scenario(run)
