"""A Runtime API client of few lines that streams what its event says.

The event: `prelude` (a document, sent with the eight NUL bytes), `pieces` (texts) and `size` (so
many bytes behind them), each piece sent as a chunk of its own; `gate`, a FIFO from which a byte is
read behind the first piece; `type`, the content type; `error`, a document that the trailers tell;
`ending`, which is `whole` (the usual one), `cut` (no last chunk) or `exit`. The event of a function
URL holds all that as its body. What the host says to a response is printed.
"""

import base64
import http.client
import json
import os
import socket
import sys
from pathlib import Path

PREFIX = "/2018-06-01/runtime/invocation"
OCTETS = "application/octet-stream"
BLOCK = b"x" * 64 * 1024


def address():
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    return host, int(port)


def next_event():
    connection = http.client.HTTPConnection(*address())
    connection.request("GET", f"{PREFIX}/next")
    response = connection.getresponse()
    event = json.loads(response.read())
    connection.close()
    script = json.loads(event["body"]) if "body" in event else event
    return response.headers["Lambda-Runtime-Aws-Request-Id"], script


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def trailers(error):
    if error is None:
        return b""
    body = base64.b64encode(json.dumps(error).encode())
    kind = error["errorType"].encode()
    return (
        b"Lambda-Runtime-Function-Error-Type: %b\r\n" % kind
        + b"Lambda-Runtime-Function-Error-Body: %b\r\n" % body
    )


def wait_at(gate):
    with Path(gate).open("rb", buffering=0) as waiting:
        waiting.read(1)


def send(stream, script):
    if "prelude" in script:
        # In two parts, as a chunk may end anywhere.
        stream.sendall(chunk(json.dumps(script["prelude"]).encode() + b"\0" * 3))
        stream.sendall(chunk(b"\0" * 5))
    for number, piece in enumerate(script.get("pieces", [])):
        stream.sendall(chunk(piece.encode()))
        if "gate" in script and number == 0:
            wait_at(script["gate"])
    for start in range(0, script.get("size", 0), len(BLOCK)):
        stream.sendall(chunk(BLOCK[: script["size"] - start]))


def respond(request_id, script):
    head = (
        f"POST {PREFIX}/{request_id}/response HTTP/1.1\r\nHost: runtime\r\n"
        f"Content-Type: {script.get('type', OCTETS)}\r\nTransfer-Encoding: chunked\r\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
    )
    ending = script.get("ending", "whole")
    with socket.create_connection(address()) as stream:
        stream.sendall(head.encode())
        send(stream, script)
        if ending == "exit":
            sys.exit(3)
        if ending == "whole":
            stream.sendall(b"0\r\n" + trailers(script.get("error")) + b"\r\n")
        stream.shutdown(socket.SHUT_WR)
        os.write(1, b"answered %b\n" % stream.recv(65536).split(b"\r\n")[0])


while True:
    respond(*next_event())
