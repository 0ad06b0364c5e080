"""The Python side of the interoperability tests of RPC and progressive RPC; see a0-testkit/src/bin/interop/rpc.rs."""

import queue

import a0

PATIENCE = 20.0
STEPS = 5
BATCH = 10


def rpc_serve(args):
    cancelled = []

    def on_request(request):
        if request.pkt.payload != b"hold":
            request.reply(a0.Packet([("from", "python")], request.pkt.payload[::-1]))

    server = a0.RpcServer(a0.RpcTopic(args.topic), on_request, cancelled.append)
    args.ready()
    args.wait_for_line()
    return {"cancelled": cancelled}


def check(text, headers, payload):
    headers = dict(headers)
    assert payload == text.encode()[::-1], f"the reply to {text} was {payload}"
    assert headers["a0_dep"] == headers["a0_req_id"], headers
    assert headers["a0_rpc_type"] == "response" and "from" in headers, headers


def rpc_call(args):
    client = a0.RpcClient(a0.RpcTopic(args.topic))
    args.ready()
    args.wait_for_line()
    half = args.count // 2
    for n in range(half):
        text = f"{args.name} {n}"
        reply = client.send_blocking(a0.Packet([("caller", args.name)], text), PATIENCE)
        check(text, reply.headers, reply.payload)
    for first in range(half, args.count, BATCH):
        replies = queue.SimpleQueue()
        batch = range(first, min(args.count, first + BATCH))
        for n in batch:
            text = f"{args.name} {n}"
            # Behind the callback, the packet has the payload of another one.
            callback = lambda reply, text=text: replies.put((text, reply.headers, reply.payload))
            client.send(a0.Packet([("caller", args.name)], text), callback)
        for _ in batch:
            check(*replies.get(timeout=PATIENCE))
    return {"calls": args.count}


def rpc_hold(args):
    client = a0.RpcClient(a0.RpcTopic(args.topic))
    args.ready()
    try:
        reply = client.send_blocking(a0.Packet("hold"), PATIENCE)
    except RuntimeError as error:
        assert str(error) == "Operation cancelled", error
        return {"ended": "cancelled"}
    raise AssertionError(f"{reply.payload} came")


def rpc_cancel(args):
    client = a0.RpcClient(a0.RpcTopic(args.topic))
    args.ready()
    args.wait_for_line()
    client.cancel(args.id)


def prpc_serve(args):
    cancelled = []

    def on_connect(connection):
        payload = connection.pkt.payload
        for n in range(STEPS):
            step = payload + f"/{n}".encode()
            connection.send(a0.Packet([("from", "python")], step), n + 1 == STEPS)
            if payload == b"hold":
                break

    server = a0.PrpcServer(a0.PrpcTopic(args.topic), on_connect, cancelled.append)
    args.ready()
    args.wait_for_line()
    return {"cancelled": cancelled}


def prpc_call(args):
    client = a0.PrpcClient(a0.PrpcTopic(args.topic))
    args.ready()
    args.wait_for_line()
    for n in range(args.count):
        text = f"{args.name} {n}"
        progresses = queue.SimpleQueue()
        client.connect(a0.Packet(text), lambda packet, done: progresses.put((packet.payload, done)))
        for step in range(STEPS):
            payload, done = progresses.get(timeout=PATIENCE)
            assert payload == f"{text}/{step}".encode(), f"{text}: {payload}"
            assert done == (step + 1 == STEPS), f"{text}: done too early or too late"
    return {"calls": args.count}


def prpc_hold(args):
    client = a0.PrpcClient(a0.PrpcTopic(args.topic))
    args.ready()
    progresses = queue.SimpleQueue()
    connect = a0.Packet("hold")
    client.connect(connect, lambda packet, done: progresses.put((packet.payload, done)))
    assert progresses.get(timeout=PATIENCE) == (b"hold/0", False)
    # 0.3 takes the cancel packet of somebody else for progress.
    assert progresses.get(timeout=PATIENCE) == (connect.id.encode() + b"\0", False)
    return {"ended": "cancelled"}


def prpc_cancel(args):
    client = a0.PrpcClient(a0.PrpcTopic(args.topic))
    args.ready()
    args.wait_for_line()
    client.cancel(args.id)


def add(command):
    for serve in rpc_serve, prpc_serve:
        command(serve, "topic")
    for call in rpc_call, prpc_call:
        sub = command(call, "topic")
        sub.add_argument("--name", required=True)
        sub.add_argument("--count", type=int, required=True)
    for hold in rpc_hold, prpc_hold:
        command(hold, "topic")
    for cancel in rpc_cancel, prpc_cancel:
        command(cancel, "topic", "id")
