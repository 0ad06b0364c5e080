"""Recordings of both languages' messages: the `mcap` package reads them, and a replay is what was recorded."""

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import a0
from mcap.reader import make_reader
from mcap.records import Chunk, Message
from mcap.stream_reader import StreamReader, breakup_chunk

from harness import raw_packets, scenario

A0 = os.environ["INTEROP_A0"]


def decode(packet):
    """Id, headers and payload of the data of a message with the encoding `alephzero/packet`."""
    (count,) = struct.unpack_from("<Q", packet, 37)
    *words, payload = struct.unpack_from(f"<{2 * count + 1}Q", packet, 45)
    text = [packet[at : packet.index(b"\0", at)].decode() for at in words]
    return packet[:36].decode(), list(zip(text[::2], text[1::2])), packet[payload:]


def await_(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.005)


def record(file, *args):
    recorder = subprocess.Popen([A0, "record", "-o", str(file), *args], stdout=subprocess.DEVNULL)
    await_(lambda: file.exists() and file.stat().st_size > 0)
    return recorder


def publish(rounds):
    publisher = a0.Publisher("from/python")
    for number in range(rounds):
        publisher.pub(a0.Packet([("unit", "mm"), ("unit", "µm")], f"python {number}"))
        subprocess.run([A0, "pub", "from/rust", f"rust {number}", "-H", "unit=m"], check=True)


def check_whole(root, compression):
    file = root / f"{compression}.mcap"
    recorder = record(file, "--compression", compression)
    publish(10)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait() == 130
    with file.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        assert summary.statistics.message_count == 20, summary.statistics
        for name in "from/python", "from/rust":
            found = list(reader.iter_messages(topics=[name]))
            recorded = [(message.sequence, *decode(message.data)) for _, _, message in found]
            assert recorded == raw_packets(root / f"{name}.pubsub.a0")[-10:], name
            schema, channel, first = found[0]
            assert channel.message_encoding == schema.name == "alephzero/packet"
            assert channel.metadata["protocol"] == "pubsub" and b"offset of the payload" in schema.data
            assert abs(first.log_time - time.time_ns()) < 60e9
        tallies = [record.metadata for record in reader.iter_metadata() if record.name == "alephzero/topic"]
        assert [tally["missed"] for tally in tallies] == ["0", "0"], tallies
    other = root / f"replay-{compression}"
    other.mkdir()
    subprocess.run([A0, "replay", file], env={**os.environ, "A0_ROOT": str(other)}, check=True, stdout=subprocess.DEVNULL)
    for name in "from/python", "from/rust":
        replayed = [packet[1:] for packet in raw_packets(other / f"{name}.pubsub.a0")]
        assert replayed == [packet[1:] for packet in raw_packets(root / f"{name}.pubsub.a0")[-10:]], name
    os.environ["A0_ROOT"], root = str(other), os.environ["A0_ROOT"]
    reader = a0.SubscriberSync("from/rust", a0.INIT_OLDEST, a0.ITER_NEXT)
    assert reader.read().payload == b"rust 0"
    os.environ["A0_ROOT"] = root
    print(f"  {compression}: read by mcap, replayed")


def check_killed(root):
    """All complete chunks of a file without an end can be read."""
    file = root / "killed.mcap"
    recorder = record(file, "--flush", "0.05", "--compression", "zstd")
    publish(5)
    await_(lambda: len(salvage(file)) == 10)
    recorder.kill()
    recorder.wait()
    payloads = [decode(data)[2] for data in salvage(file)]
    for language in "python", "rust":
        told = [payload for payload in payloads if payload.startswith(language.encode())]
        assert told == [f"{language} {number}".encode() for number in range(5)], payloads
    print("  killed: all that was flushed is there")


def check_rules(root):
    """Rules of AlephZero's logger, in a configuration that Python has written; triggered by Python."""
    window = {"type": "count", "args": {"save_prev": 2, "save_next": 1}}
    window["triggers"] = [{"type": "pubsub", "args": {"topic": "alarm"}}]
    rules = {"savepath": str(root / "unused"), "rules": [{"protocol": "pubsub", "topic": "from/*", "policies": [window]}]}
    a0.Cfg("recorder").write(json.dumps(rules))
    file = root / "rules.mcap"
    recorder = record(file, "--rules-topic", "recorder")
    publish(10)
    a0.Publisher("alarm").pub("now")
    publish(10)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait() == 130
    with file.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        for language in "python", "rust":
            found = list(reader.iter_messages(topics=[f"from/{language}"]))
            payloads = [decode(message.data)[2].decode() for _, _, message in found]
            assert payloads == [f"{language} {number}" for number in (8, 9, 0)], payloads
            assert json.loads(found[0][1].metadata["rule"]) == rules["rules"][0]
    print("  rules: the messages round a trigger, and no others")


def salvage(file):
    messages = []
    with file.open("rb") as stream:
        try:
            for entry in StreamReader(stream, emit_chunks=True).records:
                if isinstance(entry, Chunk):
                    messages += [inner.data for inner in breakup_chunk(entry) if isinstance(inner, Message)]
        except Exception:
            # Where it was cut.
            pass
    return messages


def run():
    root = Path(os.environ["A0_ROOT"])
    for compression in "none", "zstd", "lz4":
        check_whole(root, compression)
    check_killed(root)
    check_rules(root)


scenario(run)
