"""Run in the function's own process: start debugpy, wait for a debugger, become the target.

`python launcher.py PORT SAFE_PATH TARGET…`. Reports debugpy's port, as one line of JSON, to PORT,
where the session listens; the connection stays until the process ends, which shows it that.
SAFE_PATH is 1 where the folder of the target must not be importable (`python -P`), else 0. Knows
nothing of the devkit, since it runs in the user's interpreter.
"""

import sys

# Before anything else is imported: our own folder is not the user's.
if __name__ == "__main__":
    del sys.path[0]

import importlib
import json
import os
import runpy
import socket

_LOOPBACK = "127.0.0.1"


def main() -> None:
    """Do what the command line says."""
    port, safe_path, *target = sys.argv[1:]
    debugpy = importlib.import_module("debugpy")  # which the devkit itself can do without
    _, own_port = debugpy.listen((_LOOPBACK, 0))
    with socket.create_connection((_LOOPBACK, int(port))) as session:
        session.sendall(json.dumps({"port": own_port, "pid": os.getpid()}).encode() + b"\n")
        debugpy.wait_for_client()
        _run(target, safe_path=safe_path == "1")


def _run(target: "list[str]", *, safe_path: bool) -> None:
    """Run `-m module argument…` or `file argument…` as Python itself does."""
    module = target[0] == "-m"
    first = os.getcwd() if module else os.path.dirname(os.path.abspath(target[0]))  # noqa: PTH100, PTH109, PTH120
    if not safe_path:
        sys.path.insert(0, first)
    sys.argv = target[1:] if module else target
    if module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
