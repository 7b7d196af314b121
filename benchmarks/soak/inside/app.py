"""A function that does as its event says, for better or worse."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: Final = 200
OVERSIZE_BYTES: Final = 7 * 1024 * 1024
# Longer than any soak takes: who finds it running has found what was left.
CHILD_S: Final = "7200"


def handle(event: dict[str, Any], context: Any) -> Any:
    """Do it, and return the event where there is a return."""
    act = ACTS.get(event["kind"])
    answer = act(event, context) if act else None
    return answer or event


def _print(event: dict[str, Any], _context: Any) -> None:
    for line in range(LINES):
        print(f"line {event['number']} {line}")


def _leave_children(_event: dict[str, Any], _context: Any) -> None:
    """Leave one in the group, and one that has left the session and its parent."""
    subprocess.Popen(["sleep", CHILD_S])  # noqa: S607
    subprocess.run(["sh", "-c", f"setsid sleep {CHILD_S} &"], check=True)  # noqa: S607


def _raise(event: dict[str, Any], _context: Any) -> None:
    raise ValueError(f"no luck with {event['number']}")


def _exit_halfway(_event: dict[str, Any], context: Any) -> None:
    """Begin a response beside the runtime, and be gone."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    path = f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"
    connection = socket.create_connection((host, int(port)))
    connection.sendall(head.encode() + b'{"number": ')
    os._exit(3)


def _hang(_event: dict[str, Any], _context: Any) -> None:
    while True:
        signal.pause()


def _oversize(_event: dict[str, Any], _context: Any) -> str:
    return "x" * OVERSIZE_BYTES


def _kill_extension(event: dict[str, Any], context: Any) -> None:
    name = os.environ["AWS_LAMBDA_RUNTIME_API"].replace(":", "-")
    os.kill(int((Path(os.environ["SOAK_PIDS"]) / name).read_text()), signal.SIGKILL)
    _hang(event, context)


ACTS: Final[dict[str, Callable[[dict[str, Any], Any], Any]]] = {
    "print": _print,
    "leave-children": _leave_children,
    "raise": _raise,
    "exit": lambda _event, _context: os._exit(0),
    "exit-1": lambda _event, _context: os._exit(1),
    "kill-itself": lambda _event, _context: os.kill(os.getpid(), signal.SIGKILL),
    "exit-halfway": _exit_halfway,
    "hang": _hang,
    "oversize": _oversize,
    "extension-kills-itself": _hang,
    "kill-extension": _kill_extension,
}
