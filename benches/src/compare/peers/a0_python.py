"""One process of a measurement of AlephZero 0.3; its place and core are set already."""

import json
import pathlib
import sys
import time

import a0

what, process, size, others, span, directory = sys.argv[1:]
ready = pathlib.Path(directory, "python-ready")
payload = b"\7" * int(size)
clock = time.perf_counter_ns


def receive(subscriber):
    if what == "blocking":
        return subscriber.read_blocking().payload
    while not subscriber.can_read():
        pass
    return subscriber.read().payload


def answer():
    subscriber = a0.SubscriberSync("there", a0.INIT_AWAIT_NEW)
    publisher = a0.Publisher("back")
    ready.touch()
    while what == "publish-idle":
        time.sleep(60)
    while True:
        message = receive(subscriber)
        if what in ("polled", "blocking"):
            publisher.pub(message)


def wait_for_others():
    deadline = time.monotonic() + 20
    while int(others) and not ready.exists():
        if time.monotonic() > deadline:
            sys.exit("the other process does not get ready")
        time.sleep(0.001)


def measure():
    subscriber = a0.SubscriberSync("back", a0.INIT_AWAIT_NEW)
    publisher = a0.Publisher("there")
    wait_for_others()
    times = []
    warm, until = clock() + int(float(span) * 2.5e8), clock() + int(float(span) * 1.25e9)
    before = clock()
    while before < until or not times:
        publisher.pub(payload)
        if what in ("polled", "blocking"):
            receive(subscriber)
        now = clock()
        if now > warm:
            times.append(now - before)
        before = now
    times.sort()
    figures = {name: times[min(int(len(times) * share), len(times) - 1)]
               for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
    mean = sum(times) / len(times)
    typical = mean if what == "publish-polling" else figures["p50"]
    print(json.dumps({"typical": typical, "mean": mean, "lost": None, **figures}))


measure() if process == "0" else answer()
