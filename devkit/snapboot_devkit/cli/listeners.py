"""Which program listens on a port of this machine, as far as the system shows."""

from __future__ import annotations

import psutil


def listener(port: int) -> str | None:
    """Return the program that listens on a TCP port, and its process id; None when unknown.

    Other users' processes are seen by root alone.
    """
    try:
        found = (
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
            if one.pid
        )
        if pid := next(found, None):
            return f"{psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, OSError):
        pass  # not permitted, or it has just ended
    return None
