"""Headers written by one side and parsed by the other, and their order in the raw bytes."""

import json
import re

from harness import Peer, path, raw_packets, scenario

STANDARD = ["a0_transport_seq", "a0_time_mono", "a0_writer_seq", "a0_writer_id", "a0_time_wall"]
ID = r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}"
VALUE = {
    "a0_transport_seq": r"\d+",
    "a0_time_mono": r"\d{19}",
    "a0_writer_seq": r"\d+",
    "a0_writer_id": ID,
    "a0_time_wall": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}-00:00",
}
MESSAGES = [
    {"headers": [], "payload": ""},
    {"headers": [["k", "v"]], "payload": "one"},
    {"headers": [["same", "1"], ["same", "2"], ["other", ""], ["same", "3"]], "payload": "repeated keys"},
    {"headers": [["größe", "25 °C"], ["日本", "🦀"], ["", "empty key"]], "payload": "Grüße 🐍"},
    {"headers": [[f"key {i}", "x" * i] for i in range(100)], "payload": "many"},
    {"headers": [["a0_dep", "00000000-0000-4000-8000-000000000000"]], "payload": "reserved key"},
]


def send(language, topic):
    with Peer(language, "send", topic) as peer:
        peer.process.stdin.write("".join(json.dumps(message) + "\n" for message in MESSAGES))
        peer.report()


def show(language, topic):
    with Peer(language, "show", topic) as peer:
        return peer.go().report()


def run():
    for writer, reader in ("rust", "python"), ("python", "rust"):
        send(writer, writer)
        shown = show(reader, writer)
        raw = raw_packets(path(writer))
        assert len(shown) == len(raw) == len(MESSAGES)
        writers, last_mono = set(), ""
        for n, (message, seen, (seq, id_, headers, payload)) in enumerate(zip(MESSAGES, shown, raw)):
            assert seq == n + 1
            assert re.fullmatch(ID, id_) and seen["id"] == id_
            assert [key for key, _ in headers[:5]] == STANDARD, f"{writer} writes {headers[:5]}"
            for key, value in headers[:5]:
                assert re.fullmatch(VALUE[key], value), f"{key}: {value}"
            values = dict(headers[:5])
            assert values["a0_transport_seq"] == values["a0_writer_seq"] == str(n)
            assert values["a0_time_mono"] >= last_mono
            last_mono = values["a0_time_mono"]
            writers.add(values["a0_writer_id"])
            # Python's own headers come in no fixed order: they are a hash map there.
            mine = [(key, value) for key, value in message["headers"]]
            if writer == "rust":
                assert headers[5:] == mine, "user headers in another order"
            assert sorted(headers[5:]) == sorted(mine)
            assert sorted(map(tuple, seen["headers"])) == sorted(headers), f"{reader} parses {seen['headers']}"
            if reader == "rust":
                assert list(map(tuple, seen["headers"])) == headers
            assert payload.decode() == seen["payload"] == message["payload"]
        assert len(writers) == 1
        print(f"  {writer} to {reader}: {len(raw)} packets with {sum(len(p[2]) for p in raw)} headers")


scenario(run)
