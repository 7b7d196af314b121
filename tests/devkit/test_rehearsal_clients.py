"""Connections that are live at the snapshot: after a restore, the first call of a client works.

The server ends them all while the function is snapshot, as time does on Lambda.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import socketserver
import struct
import threading

import pytest

from oracles import tools
from oracles.cache import OracleUnavailable
from snapboot_devkit.host import FunctionConfig, InitializationType
from snapboot_devkit.host.snapshots.snapshot import reason_of_machine
from snapboot_devkit.rehearse import rehearsal

REQUIREMENTS = ("requests==2.34.2", "sqlalchemy==2.1.9", "pg8000==1.31.6")
RESTORES = 2
# What a client of PostgreSQL asks for before anything else, and what a server says.
ANSWERS = {
    b"version()": b"PostgreSQL 16.0 on a test",
    b"current_schema": b"public",
    b"standard_conforming_strings": b"on",
    b"isolation level": b"read committed",
}
END_ALL = b"END!"
ENCRYPTED = struct.pack("!I", 80877103)

pytestmark = pytest.mark.slow


class Peer(socketserver.ThreadingTCPServer):
    """A server for one kind of clients, that ends all connections when the test says so."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, serve) -> None:
        self.clients = []
        self._serve = serve
        super().__init__(("127.0.0.1", 0), None)

    def finish_request(self, request, client_address):
        if request.recv(4, socket.MSG_PEEK) == END_ALL:
            for one in self.clients:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            request.sendall(b".")
            return
        self.clients.append(request)
        with contextlib.suppress(OSError, EOFError), request.makefile("rb") as stream:
            self._serve(request, stream)


def exactly(stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


def serve_http(connection, stream) -> None:
    while line := stream.readline():
        if line == b"\r\n":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


READY = message(b"Z", b"I")
COLUMN = message(
    b"T", struct.pack("!H", 1) + b"answer\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0)
)
DONE = message(b"C", b"SELECT 1\0")


def row(sql: bytes) -> bytes:
    value = next((answer for part, answer in ANSWERS.items() if part in sql.lower()), b"1")
    return message(b"D", struct.pack("!HI", 1, len(value)) + value)


def serve_postgresql(connection, stream) -> None:
    """Answer every statement by a row (PostgreSQL's documentation, 55. Frontend/Backend Protocol)."""
    while exactly(stream, int.from_bytes(exactly(stream, 4), "big") - 4) == ENCRYPTED:
        connection.sendall(b"N")
    settings = (b"server_version\x0016.0\0", b"client_encoding\0UTF8\0")
    connection.sendall(
        message(b"R", bytes(4)) + b"".join(message(b"S", one) for one in settings) + READY
    )
    sql = b""
    while kind := stream.read(1):
        content = exactly(stream, int.from_bytes(exactly(stream, 4), "big") - 4)
        if kind in (b"P", b"Q"):
            sql = content
        connection.sendall(
            {
                b"P": message(b"1"),
                b"B": message(b"2"),
                b"C": message(b"3"),
                b"D": message(b"t", bytes(2)) + COLUMN,
                b"E": row(sql) + DONE,
                b"Q": COLUMN + row(sql) + DONE + READY,
                b"S": READY,
            }.get(kind, b"")
        )


@contextlib.contextmanager
def peer(serve):
    server = Peer(serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# Registered first, so that it runs last: the connections end once the function has done its part.
ENDING = """
import os, socket, snapboot
PORT = int(os.environ["PEER_PORT"])
@snapboot.before_snapshot
def end_all():
    with socket.create_connection(("127.0.0.1", PORT)) as told:
        told.sendall(b"END!")
        told.recv(1)
"""
REQUESTS = """
import requests
session = requests.Session()
def get(): return session.get(f"http://127.0.0.1:{PORT}/").text
get()
def handler(event, context): return get()
"""
SQLALCHEMY = """
import sqlalchemy
engine = sqlalchemy.create_engine(f"postgresql+pg8000://user:secret@127.0.0.1:{PORT}/base")
def get():
    with engine.connect() as connection:
        return connection.execute(sqlalchemy.text("SELECT 1")).scalar()
get()
def handler(event, context): return get()
"""


@pytest.fixture
def rehearsed(tmp_path):
    if reason := reason_of_machine():
        pytest.skip(reason)
    try:
        folder = tools.installed("clients", REQUIREMENTS)
    except OracleUnavailable as exc:
        pytest.skip(str(exc))
    root = tmp_path / "task"
    shutil.copytree(folder, root)

    def rehearse(source, serve):
        (root / "app.py").write_text(ENDING + source)
        with peer(serve) as server:
            config = FunctionConfig(
                "app.handler",
                task_root=root,
                timeout_s=10,
                env={"PEER_PORT": str(server.server_address[1])},
                initialization=InitializationType.SNAP_START,
            )
            held = rehearsal.rehearse(config, rehearsal.RehearsalPlan(restores=RESTORES, fresh=0))
            return held, len(server.clients)

    return rehearse


def test_a_session_of_requests_connects_again_and_needs_no_hook(rehearsed):
    held, connections = rehearsed(REQUESTS, serve_http)
    assert held.findings == []
    assert [clone.results for clone in held.clones] == [[b'"hi"']] * RESTORES
    assert connections == 1 + RESTORES


def test_an_engine_of_sqlalchemy_connects_again_by_the_documented_hook(rehearsed):
    hook = "snapboot.before_snapshot(engine.dispose)\n"
    held, connections = rehearsed(SQLALCHEMY + hook, serve_postgresql)
    assert held.findings == []
    assert [clone.results for clone in held.clones] == [[b'"1"']] * RESTORES
    assert connections == 1 + RESTORES


def test_without_it_the_first_call_fails(rehearsed):
    held, _ = rehearsed(SQLALCHEMY, serve_postgresql)
    assert {one.check for one in held.findings} == {"restore", "sockets"}
    assert [bool(clone.function_error) for clone in held.clones] == [True] * RESTORES
