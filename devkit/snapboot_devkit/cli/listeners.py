"""Who listens on a port of this machine, as far as Linux shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# The state of a socket that listens, in include/net/tcp_states.h.
_LISTEN: Final = "0A"
_PROC: Final = Path("/proc")


def listener(port: int, proc: Path = _PROC) -> str | None:
    """Return the program that listens on a TCP port, and its process id; None when unknown.

    Other users' processes are seen by root alone.
    """
    tables = [proc / "net" / name for name in ("tcp", "tcp6")]
    inodes = {inode for table in tables for inode in _inodes(_text(table).splitlines(), port)}
    if not inodes:
        return None
    sockets = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.glob("[0-9]*"):
        if any(_target(fd) in sockets for fd in _descriptors(process)):
            return f"{_text(process / 'comm').strip() or 'a program'} (process {process.name})"
    return None


def _inodes(lines: Iterable[str], port: int) -> list[str]:
    """Return the inodes of the sockets that listen on the port, from a table of /proc/net."""
    rows = (line.split() for line in lines)
    return [
        row[9]
        for row in rows
        if len(row) > 9 and row[3] == _LISTEN and row[1].endswith(f":{port:04X}")
    ]


def _descriptors(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
