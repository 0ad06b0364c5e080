"""The Python side of the interoperability tests of log messages; see a0-testkit/src/bin/interop/log.rs."""

import threading

import a0

LEVELS = ("CRIT", "ERR", "WARN", "INFO", "DBG")


def log_write(args):
    logger = a0.Logger(a0.LogTopic(args.topic))
    args.ready()
    args.wait_for_line()
    for level in LEVELS:
        logger.log(getattr(a0.LogLevel, level), a0.Packet([("name", args.name)], f"{args.name} says {level}"))
    logger.crit(a0.Packet("end"))


def log_listen(args):
    ended, heard = threading.Event(), []

    def on_message(packet):
        text = packet.payload.decode()
        if text == "end":
            ended.set()
        else:
            level = dict(packet.headers)["a0_log_level"]
            heard.append({"level": level, "text": text, "headers": packet.headers})

    level = getattr(a0.LogLevel, args.level)
    listener = a0.LogListener(a0.LogTopic(args.topic), level, a0.INIT_AWAIT_NEW, a0.ITER_NEXT, on_message)
    args.ready()
    ended.wait()
    return heard


def add(command):
    command(log_write, "topic").add_argument("--name", required=True)
    command(log_listen, "topic").add_argument("--level", required=True)
