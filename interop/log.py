"""Log messages of both languages, at every level, heard in both."""

from contextlib import ExitStack

from harness import Peer, scenario
from peer_log import LEVELS


def run():
    for writer in "rust", "python":
        for most in range(len(LEVELS)):
            topic = f"{writer}-{LEVELS[most]}"
            with ExitStack() as stack:
                listeners = [
                    stack.enter_context(Peer(language, "log-listen", topic, "--level", LEVELS[most]))
                    for language in ("rust", "python")
                ]
                with Peer(writer, "log-write", topic, "--name", writer) as peer:
                    peer.go().report()
                for listener in listeners:
                    heard = listener.report()
                    assert [message["level"] for message in heard] == list(LEVELS[: most + 1]), listener.name
                    for message in heard:
                        assert message["text"] == f"{writer} says {message['level']}"
                        headers = [tuple(header) for header in message["headers"]]
                        assert ("name", writer) in headers and len(headers) == 7
                        if writer == "rust" and listener.name.startswith("rust"):
                            assert headers[5:] == [("a0_log_level", message["level"]), ("name", writer)]
        print(f"  {writer}: all levels, heard by both")


scenario(run)
