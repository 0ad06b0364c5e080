"""The Python side of the interoperability tests of deadmen; see a0-testkit/src/bin/interop/deadman.rs."""

import time

import a0


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def open_deadman(name):
    return a0.Deadman(a0.DeadmanTopic(name))


# The package waits without a timeout here, so that a wake-up which is lost is not made up for. The harness has a
# watchdog.


def deadman_take(args):
    deadman = open_deadman(args.topic)
    deadman.take()
    taken, token = now(), deadman.state().tkn
    args.ready()
    args.wait_for_line()
    released = now()
    deadman.release()
    return {"token": token, "taken": taken, "released": released}


def deadman_watch(args):
    deadman = open_deadman(args.topic)
    args.ready()
    token = deadman.wait_taken()
    taken = now()
    deadman.wait_released(token)
    return {"token": token, "taken": taken, "released": now()}


def deadman_queue(args):
    deadman = open_deadman(args.topic)
    args.ready()
    deadman.take()
    return {"token": deadman.state().tkn, "taken": now()}


def add(command):
    for run in deadman_take, deadman_watch, deadman_queue:
        command(run, "topic")
