"""A stand-in for a web adapter: a runtime that serves events by a web server below it.

    python web_proxy.py COMMAND... HANDLER

It starts the command, which is to listen where PORT says, asks for `/` every 10 ms until that is
answered, and then turns each event into a request and the response into a document. That is what
the Lambda Web Adapter does. It is a program in Rust: what it takes besides the server is less than
what this one does, though it is imported while the server is. On one CPU the two take turns. It
knows of HTTP only what the server and the measuring Runtime API send.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

POLL_S = 0.01
DEADLINE_S = 20
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
RESPONSE = (
    b"POST /2018-06-01/runtime/invocation/%b/response HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
)


class Connection:
    """A connection that is kept alive, to a peer that answers one request after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), DEADLINE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __repr__(self) -> str:
        return f"<Connection {self._socket!r}>"

    def ask(self, request: bytes) -> tuple[list[bytes], bytes]:
        """Send a request and return the lines of the head, and the body."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = int(value(lines, b"content-length") or 0)
        while len(body) < length:
            body += self._receive()
        return lines, body

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the peer has gone")
        return data


def value(lines: list[bytes], name: bytes) -> bytes:
    """Return the value of a header, empty without."""
    for line in lines[1:]:
        key, _, found = line.partition(b":")
        if key.lower() == name:
            return found.strip()
    return b""


def request_of(event: dict[str, object]) -> bytes:
    """Return the request that an event of payload 2.0 is."""
    http = event["requestContext"]["http"]  # type: ignore[index]
    query = event.get("rawQueryString")
    target = f"{event['rawPath']}?{query}" if query else event["rawPath"]
    headers: dict[str, str] = event["headers"]  # type: ignore[assignment]
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"{http['method']} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def document_of(lines: list[bytes], body: bytes) -> bytes:
    """Return the document that a response is."""
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    headers = {name.lower(): text.strip() for name, _, text in pairs}
    status = int(lines[0].split()[1])
    document = {"statusCode": status, "headers": headers, "body": body.decode()}
    return json.dumps({**document, "isBase64Encoded": False}).encode()


def started(port: int) -> Connection:
    """Return a connection to the server once it answers."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            connection = Connection("127.0.0.1", port)
            connection.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        except OSError:
            time.sleep(POLL_S)
        else:
            return connection
    sys.exit(f"the server did not answer within {DEADLINE_S} s")


def main(command: list[str]) -> None:
    """Start the server and serve events by it, for as long as there are any."""
    with socket.create_server(("127.0.0.1", 0)) as any_free:
        port = any_free.getsockname()[1]
    os.posix_spawn(
        command[0], [word.replace("PORT", str(port)) for word in command], dict(os.environ)
    )
    server = started(port)
    host, _, api_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    api = Connection(host, int(api_port))
    while True:
        lines, body = api.ask(NEXT)
        request_id = value(lines, b"lambda-runtime-aws-request-id")
        document = document_of(*server.ask(request_of(json.loads(body))))
        api.ask(RESPONSE % (request_id, len(document), document))


if __name__ == "__main__":
    main(sys.argv[1:-1])
