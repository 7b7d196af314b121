"""Real subscribers to telemetry, in threads: an HTTP server and a TCP listener that can misbehave."""

import json
import queue
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat

DEADLINE_S = 60


def free_port():
    """Return a port on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Received:
    """What has come, by batches; `events` waits for as many as it is asked for."""

    def __init__(self):
        self.batches = queue.Queue()
        self.attempts = queue.Queue()

    def events(self, count):
        found = []
        while len(found) < count:
            found += self.batches.get(timeout=DEADLINE_S)
        return found

    def until(self, kind):
        """Return all events up to the first of a kind."""
        found = []
        while True:
            batch = self.batches.get(timeout=DEADLINE_S)
            found += batch
            if any(event["type"] == kind for event in batch):
                return found


class _Handler(BaseHTTPRequestHandler):
    def _take(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        behaviour = next(self.server.script)
        self.server.received.attempts.put((self.command, self.path, dict(self.headers), body))
        if behaviour == "ok":
            self.server.received.batches.put(json.loads(body))
        getattr(self, f"_{behaviour}")()

    do_POST = do_PUT = _take  # noqa: N815 - http.server's names

    def _answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def _ok(self):
        self._answer(200)

    def _fail(self):
        self._answer(500)

    def _never(self):
        self.server.over.wait(DEADLINE_S)

    def _vanish(self):
        self.close_connection = True

    def _break_off(self):
        self.wfile.write(b"HTTP/1.1 20")

    def _talk_nonsense(self):
        self.wfile.write(b"\x16\x03\x01 220 smtp ready\r\n\r\n")

    def _ok_but_endless(self):
        self.server.received.batches.put("taken")
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000)

    def log_message(self, *args):
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Say nothing of a client that has hung up."""


@contextmanager
def http_subscriber(*script, port=0):
    """Serve HTTP: behave as scripted, then well; yield what is received, and its port."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.script = chain(script, repeat("ok"))
    server.received = Received()
    server.over = threading.Event()
    server.received.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.received
    finally:
        server.over.set()
        server.shutdown()
        thread.join(DEADLINE_S)
        server.server_close()


@contextmanager
def tcp_subscriber(port=0, patience=None):
    """Listen on TCP: the first connections read as many lines as `patience` says, then hang up."""
    listener = socket.create_server(("127.0.0.1", port))
    received = Received()
    received.port = listener.getsockname()[1]
    left = chain(patience or (), repeat(None))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                lines_left = next(left)
                for number, line in enumerate(lines, 1):
                    received.batches.put([json.loads(line)])
                    if number == lines_left:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(DEADLINE_S)
