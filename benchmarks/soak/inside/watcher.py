"""An external extension that receives every invocation, and exits at some.

The soak writes the interpreter before it, and makes a layer of it. What an invocation is to it
stands in the first part of the request id: the place of its kind among all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Connection:
    """The smallest client that will do: to import http.client takes longer than an init."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._file = socket.create_connection((host, int(port))).makefile("rwb")

    def __repr__(self) -> str:
        return f"<Connection {self._file!r}>"

    def call(
        self, method: str, path: str, header: str, body: bytes = b""
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Call the Extensions API, and return headers and document; end where it refuses."""
        head = f"{method} /2020-01-01/extension/{path} HTTP/1.1\r\nHost: sandbox\r\n{header}\r\n"
        self._file.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._file.flush()
        status = self._file.readline().split()
        if not status or status[1] != b"200":
            sys.exit(f"{method} {path}: {status}")
        headers = {}
        while (line := self._file.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return headers, json.loads(self._file.read(int(headers["content-length"])))


def main(address: str, pids: str, kills_itself: int, exits_late: int) -> None:
    """Send the function whom to kill, and take events until the shutdown or an early end."""
    (Path(pids) / address.replace(":", "-")).write_text(str(os.getpid()))
    connection = Connection(address)
    events = json.dumps({"events": ["INVOKE", "SHUTDOWN"]}).encode()
    headers, _ = connection.call("POST", "register", "Lambda-Extension-Name: watcher", events)
    me = f"Lambda-Extension-Identifier: {headers['lambda-extension-identifier']}"
    while True:
        _, event = connection.call("GET", "event/next", me)
        if event["eventType"] == "SHUTDOWN":
            return
        kind = int(event["requestId"].partition("-")[0], 16)
        if kind == kills_itself:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == exits_late:
            sys.exit(1)


if __name__ == "__main__":
    main(
        os.environ["AWS_LAMBDA_RUNTIME_API"],
        os.environ["SOAK_PIDS"],
        int(os.environ["SOAK_KILL"], 16),
        int(os.environ["SOAK_EXIT"], 16),
    )
