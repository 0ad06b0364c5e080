"""What the scenarios of RPC and progressive RPC share."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from harness import PATIENCE, Peer, raw_packets, state

LANGUAGES = ("rust", "python")


def calls(protocol, server, counts):
    """Clients of both languages, two of each, at once; none gets a wrong answer."""
    topic = f"calls-{server}"
    started = time.monotonic()
    with ExitStack() as stack:
        serving = stack.enter_context(Peer(server, f"{protocol}-serve", topic))
        clients = [
            stack.enter_context(
                Peer(language, f"{protocol}-call", topic, "--name", f"{language} {n}", "--count", counts[language])
            )
            for language in LANGUAGES
            for n in range(2)
        ]
        for client in clients:
            client.go()
        total = sum(client.report()["calls"] for client in clients)
        assert serving.go().report() == {"cancelled": []}
    print(f"  {server} serves: {total} calls answered in {time.monotonic() - started:.1f} s")


def cancels(protocol, first):
    """Every pair of a waiting and a cancelling client, beside a server of each language."""
    for server in LANGUAGES:
        topic = f"cancel-{server}"
        ids = []
        with Peer(server, f"{protocol}-serve", topic) as serving:
            for waiting in LANGUAGES:
                for other in LANGUAGES:
                    with Peer(waiting, f"{protocol}-hold", topic) as peer:
                        ids.append(held(protocol, topic, len(ids) + 1, first))
                        with Peer(other, f"{protocol}-cancel", topic, ids[-1]) as cancel:
                            assert cancel.go().report() is None
                        assert peer.report() == {"ended": "cancelled"}, peer.name
            # The server has read the last cancel when it answers what came behind it.
            with Peer("rust", f"{protocol}-call", topic, "--name", "last", "--count", 1) as last:
                last.go().report()
            assert serving.go().report() == {"cancelled": ids}, server
        cancelled = [packet for packet in packets(protocol, topic) if dict(packet[2])[f"a0_{protocol}_type"] == "cancel"]
        key = {"rpc": "a0_req_id", "prpc": "a0_conn_id"}[protocol]
        for id, (_, _, headers, payload) in zip(ids, cancelled, strict=True):
            assert headers[5:] == [(f"a0_{protocol}_type", "cancel"), (key, id), ("a0_dep", id)], headers
            assert payload == id.encode() + b"\0" and len(payload) == 37
        print(f"  {server} serves: cancelled by each, noticed by each")


def packets(protocol, topic):
    return raw_packets(Path(os.environ["A0_ROOT"]) / f"{topic}.{protocol}.a0")


def held(protocol, topic, count, first):
    """Id of the newest held call, once there are so many, and each has had its `first` answers."""
    file = Path(os.environ["A0_ROOT"]) / f"{topic}.{protocol}.a0"
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        # Every earlier call has one packet, its first answers, and a cancel.
        if state(file)["seq_high"] == (count - 1) * (2 + first) + 1 + first:
            time.sleep(0.05)
            calls = [packet for packet in packets(protocol, topic) if packet[3] == b"hold"]
            assert len(calls) == count
            return calls[-1][1]
        time.sleep(0.005)
    raise AssertionError(f"{topic}: the call does not come")
