"""The least that answers events: what a loop costs before it does anything for a function.

It makes the system calls of ours, in the same order, for events that come in one piece, and hands
each event back as it came: nothing is decoded, checked or called. Of a response it finds the
request id and the length of the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contenders import Contender

if TYPE_CHECKING:
    from benchmarks.bench import Bench

BARE_LOOP = "bare loop"
PROGRAM = r"""
import _socket, posix, select
address = posix.environ[b"AWS_LAMBDA_RUNTIME_API"].decode()
host, port = address.split(":")
connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.connect((host, int(port)))
connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
watch = select.poll()
watch.register(connection, select.POLLIN)
FIXED = b" HTTP/1.1\r\nHost: %b\r\n" % address.encode()
NEXT = b"GET /2018-06-01/runtime/invocation/next" + FIXED + b"\r\n"
POST = b"POST /2018-06-01/runtime/invocation/%b/response" + FIXED + b"Content-Length: %d\r\n\r\n%b"

def serve(look, send, receive):
    while True:
        look(0)
        send(NEXT)
        head, _, body = receive(1 << 16).partition(b"\r\n\r\n")
        request_id = head.partition(b"\r\nLambda-Runtime-Aws-Request-Id: ")[2].partition(b"\r")[0]
        length = int(head.partition(b"\r\nContent-Length: ")[2].partition(b"\r")[0])
        if len(body) < length:
            body += receive(length - len(body), _socket.MSG_WAITALL)
        look(0)
        send(POST % (request_id, length, body))
        receive(1 << 16)

serve(watch.poll, connection.sendall, connection.recv)
"""


def answering(bench: Bench) -> tuple[Contender, ...]:
    """Return the contenders that run functions, and the bare loop."""
    loop = Contender(
        name=BARE_LOOP,
        version=bench.interpreter.version,
        shown="a loop of send and recv",
        command=(str(bench.interpreter.path), "-SsP", "-c", PROGRAM),
    )
    return *bench.invokable, loop
