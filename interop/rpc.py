"""Requests and replies between both languages: 10 000 calls by several clients at once, and cancels."""

from harness import scenario
from rpc_common import LANGUAGES, calls, cancels


def run():
    for server in LANGUAGES:
        calls("rpc", server, {"rust": 1800, "python": 700})
    cancels("rpc", first=0)


scenario(run)
