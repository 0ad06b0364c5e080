"""The Python side of the interoperability tests, on the unmodified alephzero package.

Takes the same commands as the Rust program `interop` (a0-testkit/src/bin/interop): says `ready` when it has opened
its topics, waits for a line where noted there, and ends with a report in one line of JSON.
"""

import argparse
import json
import random
import sys
import threading
import time
import zlib

import a0

import peer_cfg
import peer_deadman
import peer_log
import peer_rpc

LARGEST = 100 << 10
PATIENCE = 20.0

# A moment in which no more messages must come.
QUIET = 0.15


def topic(name, arena):
    options = a0.File.Options()
    options.create_options.size = arena
    options.create_options.mode = 0o666
    options.create_options.dir_mode = 0o777
    return a0.PubSubTopic(name, options)


def ready():
    print("ready", flush=True)


def wait_for_line():
    return sys.stdin.readline()


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def publish(args):
    publisher = a0.Publisher(topic(args.topic, args.arena))
    ready()
    wait_for_line()
    rng = random.Random(args.count)
    noise = rng.randbytes(2 * LARGEST)
    started, longest, n = time.monotonic(), 0.0, 0
    while args.count == 0 or n < args.count:
        start = rng.randrange(LARGEST)
        step = n % 1000
        limit = LARGEST if step == 0 else 16 << 10 if step < 40 else 2 << 10 if step < 200 else 256
        size = args.size if args.size is not None else 0 if n == 0 else LARGEST if n == 1 else rng.randrange(limit)
        if args.most is not None:
            size = rng.randrange(args.most)
        payload = noise[start : start + size]
        headers = [("w", args.writer), ("n", str(n)), ("crc", str(zlib.crc32(payload)))]
        before = time.monotonic()
        publisher.pub(a0.Packet(headers, payload))
        longest = max(longest, time.monotonic() - before)
        n += 1
        if args.rate:
            ahead = started + n / args.rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
    return {"published": n, "longest_ms": int(longest * 1000), "seconds": time.monotonic() - started}


def end(args):
    publisher = a0.Publisher(topic(args.topic, args.arena))
    ready()
    wait_for_line()
    publisher.pub(a0.Packet([("end", "")], b""))


class Tally:
    """What a subscriber has seen."""

    def __init__(self):
        self.received = self.missed = self.corrupt = self.disorder = 0
        # The longest time for which a message was there and nothing was received, and the longest way of a message.
        self.stall = self.late = self.last_time = 0
        self.next_seq = 0
        self.next_of_writer = {}

    def take(self, packet):
        """Counts a message; whether it was the last one."""
        headers = dict(packet.headers)
        seq = int(headers["a0_transport_seq"])
        if seq < self.next_seq:
            self.disorder += 1
        self.received += 1
        self.missed += seq - self.next_seq
        self.next_seq = seq + 1
        time_mono, time_now = int(headers["a0_time_mono"]), now()
        self.stall = max(self.stall, time_now - max(time_mono, self.last_time))
        self.late = max(self.late, time_now - time_mono)
        self.last_time = time_now
        if "end" in headers:
            return True
        if int(headers["crc"]) != zlib.crc32(packet.payload):
            self.corrupt += 1
        writer, n = headers["w"], int(headers["n"])
        if n != 0 and n < self.next_of_writer.get(writer, 0):
            self.disorder += 1
        self.next_of_writer[writer] = n + 1
        return False

    def report(self):
        return {
            "received": self.received,
            "missed": self.missed,
            "corrupt": self.corrupt,
            "disorder": self.disorder,
            "stall_ms": self.stall // 1_000_000,
            "late_ms": self.late // 1_000_000,
            "writers": len(self.next_of_writer),
        }


def subscribe(args):
    tally = Tally()
    if args.kind == "sync":
        subscriber = a0.SubscriberSync(topic(args.topic, args.arena), a0.INIT_OLDEST, a0.ITER_NEXT)
        ready()
        while not tally.take(subscriber.read_blocking(timeout=PATIENCE)):
            pass
        return tally.report()

    ended, failures = threading.Event(), []

    def on_message(packet):
        try:
            if tally.take(packet):
                ended.set()
        except Exception as error:  # The thread is the library's, which would end the process.
            failures.append(repr(error))
            ended.set()

    subscriber = a0.Subscriber(topic(args.topic, args.arena), a0.INIT_OLDEST, a0.ITER_NEXT, on_message)
    ready()
    ended.wait()
    if failures:
        raise RuntimeError(failures[0])
    return tally.report()


def text(packet):
    return {"id": packet.id, "headers": packet.headers, "payload": packet.payload.decode()}


def show(args):
    init = getattr(a0, "INIT_" + args.init)
    iter_ = getattr(a0, "ITER_" + args.iter)
    shown = []
    if args.kind == "sync":
        subscriber = a0.SubscriberSync(topic(args.topic, args.arena), init, iter_)
        ready()
        wait_for_line()
        while subscriber.can_read():
            shown.append(text(subscriber.read()))
        return shown
    started = threading.Event()

    def on_message(packet):
        shown.append(text(packet))
        started.wait()

    subscriber = a0.Subscriber(topic(args.topic, args.arena), init, iter_, on_message)
    ready()
    expected = int(wait_for_line())
    started.set()
    deadline = time.monotonic() + PATIENCE
    while len(shown) < expected and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(QUIET)
    return shown


def send(args):
    publisher = a0.Publisher(topic(args.topic, args.arena))
    ready()
    for line in sys.stdin:
        message = json.loads(line)
        publisher.pub(a0.Packet([tuple(header) for header in message["headers"]], message["payload"]))


def echo(args):
    reader = a0.SubscriberSync(topic(args.source, args.arena), a0.INIT_AWAIT_NEW, a0.ITER_NEXT)
    publisher = a0.Publisher(topic(args.target, args.arena))
    ready()
    payload = b""
    while payload != b"end":
        payload = reader.read_blocking(timeout=PATIENCE).payload
        publisher.pub(payload)


def ping(args):
    publisher = a0.Publisher(topic(args.target, args.arena))
    reader = a0.SubscriberSync(topic(args.source, args.arena), a0.INIT_AWAIT_NEW, a0.ITER_NEXT)
    ready()
    wait_for_line()
    micros = []
    for n in range(args.count):
        time.sleep(args.pause / 1000)
        started = time.monotonic_ns()
        publisher.pub(str(n))
        answer = reader.read_blocking(timeout=PATIENCE).payload
        assert answer == str(n).encode(), f"the answer to {n} was {answer}"
        micros.append((time.monotonic_ns() - started) // 1000)
    publisher.pub("end")
    return {"micros": micros}


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)

    def command(run, *positional):
        sub = commands.add_parser(run.__name__.replace("_", "-"))
        for name in positional:
            sub.add_argument(name)
        sub.add_argument("--arena", type=int, default=16 << 20)
        sub.set_defaults(run=run, ready=ready, wait_for_line=wait_for_line)
        return sub

    sub = command(publish, "topic")
    sub.add_argument("--writer", required=True)
    sub.add_argument("--count", type=int, required=True)
    sub.add_argument("--rate", type=int, default=0)
    sub.add_argument("--size", type=int)
    sub.add_argument("--most", type=int)
    command(end, "topic")
    command(subscribe, "topic").add_argument("--kind", default="sync")
    sub = command(show, "topic")
    sub.add_argument("--kind", default="sync")
    sub.add_argument("--init", default="OLDEST")
    sub.add_argument("--iter", default="NEXT")
    command(send, "topic")
    command(echo, "source", "target")
    sub = command(ping, "target", "source")
    sub.add_argument("--count", type=int, required=True)
    sub.add_argument("--pause", type=int, default=0)

    peer_cfg.add(command)
    peer_deadman.add(command)
    peer_log.add(command)
    peer_rpc.add(command)

    args = parser.parse_args()
    print(json.dumps(args.run(args)), flush=True)


if __name__ == "__main__":
    main()
