"""Requests with several replies between both languages, and cancels."""

from harness import scenario
from rpc_common import LANGUAGES, calls, cancels


def run():
    for server in LANGUAGES:
        calls("prpc", server, {"rust": 400, "python": 200})
    cancels("prpc", first=1)


scenario(run)
