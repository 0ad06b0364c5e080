"""History: what one side has left in a topic is read by the other, before and after the arena has wrapped."""

import json

from harness import Peer, path, raw_packets, scenario, state


def send(language, topic, payloads, arena):
    with Peer(language, "send", topic, "--arena", arena) as peer:
        peer.process.stdin.write("".join(json.dumps({"headers": [], "payload": p}) + "\n" for p in payloads))
        peer.report()


def show(language, topic):
    with Peer(language, "show", topic) as peer:
        return [message["payload"] for message in peer.go().report()]


def check(topic, sent, *, wrapped):
    now = state(path(topic))
    left = sent[now["seq_low"] - 1 :]
    assert now["seq_high"] == len(sent)
    assert (now["seq_low"] > 1) == wrapped
    assert [payload.decode() for *_, payload in raw_packets(path(topic))] == left
    for reader in "rust", "python":
        assert show(reader, topic) == left, f"{reader} reads another history of {topic}"
    print(f"  {topic}: {len(left)} of {len(sent)} messages left, read by both")


def run():
    for writer in "rust", "python":
        few = [f"message {n}" for n in range(100)]
        send(writer, f"{writer}-fits", few, 1 << 16)
        check(f"{writer}-fits", few, wrapped=False)
        # All of one size, as Python's eviction rules are sound only for that.
        many = [f"message {n:06}" for n in range(2000)]
        send(writer, f"{writer}-wraps", many, 1 << 16)
        check(f"{writer}-wraps", many, wrapped=True)

    # All sizes, wrapped many times: Rust's rules are sound for that.
    mixed = [f"message {n} " + "x" * (n * 7919 % 3000) for n in range(1000)]
    send("rust", "rust-mixed", mixed, 1 << 16)
    check("rust-mixed", mixed, wrapped=True)

    # Both sides in turn on one topic.
    turns = []
    for turn in range(20):
        part = [f"turn {turn:02} message {n:03}" for n in range(37)]
        send("rust" if turn % 2 else "python", "turns", part, 1 << 16)
        turns += part
    check("turns", turns, wrapped=True)


scenario(run)
