"""What a function may do to a host. Each handler takes the event, `next`'s headers and the API."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

# Long enough to be killed within; no test waits for it.
FOREVER_S = 600

match os.environ.get("INIT"):
    case "hangs":
        threading.Event().wait(FOREVER_S)
    case "fails":
        raise RuntimeError("no init today")
    case "fails once":
        marker = Path(os.environ["MARKER"])
        if not marker.exists():
            marker.touch()
            raise RuntimeError("no init this time")


def echo(event, headers, api):
    return event


def about(event, headers, api):
    return {
        "headers": {k.lower(): v for k, v in headers.items()},
        "env": dict(os.environ) | {"PID": str(os.getpid())},
    }


def where(event, headers, api):
    return {"cwd": str(Path.cwd()), "pid": os.getpid(), "group": os.getpgrp()}


def fail(event, headers, api):
    raise ValueError(event)


def leave(event, headers, api):
    os._exit(event)


def fall(event, headers, api):
    os.kill(os.getpid(), event)


def hang(event, headers, api):
    """Hang on any event but 0, which is answered with the process's id."""
    if event:
        threading.Event().wait(FOREVER_S)
    return os.getpid()


def many_bytes(event, headers, api):
    return b'"' + b"x" * (event - 2) + b'"'


def say(event, headers, api):
    for text in event:
        os.write(1, text.encode())


def complain(event, headers, api):
    os.write(2, event.encode())


def swallow_memory(event, headers, api):
    return len(bytearray(b"x") * (event * 1024 * 1024))


def leave_a_child_behind(event, headers, api):
    """Start a child that ignores SIGTERM, in this group or in a session of its own."""
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        "signal.pause()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE,
        start_new_session=event["new session"],
    )
    return int(child.stdout.readline())


def ignore_sigterm(event, headers, api):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return os.getpid()


def answer_chunked(event, headers, api):
    """Answer for the loop, with a chunked body; the loop's own answer is refused."""
    pieces = (piece.encode() for piece in event)
    path = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response"
    # An iterator has no length, so that http.client sends it in chunks.
    api.call("POST", path, pieces)


def hang_aloud(event, headers, api):
    os.write(1, b"%d\n" % os.getpid())
    threading.Event().wait(FOREVER_S)


def talk_for_ever(event, headers, api):
    """Print the process's id, line by line, a little slower than it could."""
    while True:
        os.write(1, b"%d\n" % os.getpid())
        threading.Event().wait(0.001)


def break_off(event, headers, api):
    """Begin to answer on a connection of its own, and hang up in the middle of the body."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    path = f"/2018-06-01/runtime/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response"
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n1"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096).decode()


def talk_nonsense(event, headers, api):
    """Send something that is not HTTP, and answer with what the host says to it."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        return connection.recv(4096).decode()


def try_calls(event, headers, api):
    """Make calls that are not this moment's, and answer with the host's answers."""
    return [api.call(method, path)[0] for method, path in event]


def print_megabytes(event, headers, api):
    """Print so many MiB of one line that never ends."""
    for _ in range(event * 16):
        os.write(1, b"x" * 64 * 1024)


def print_for_ever(event, headers, api):
    while True:
        os.write(1, event.encode() * 1000)


def stop_itself(event, headers, api):
    """Stop on any event but 0, which is answered with the process's id."""
    if event:
        os.kill(os.getpid(), signal.SIGSTOP)
    return os.getpid()


def leave_the_group(event, headers, api):
    """Join the host's group, which only a runtime in a session of its own cannot, then hang."""
    with contextlib.suppress(OSError):
        os.setpgid(0, os.getpgid(os.getppid()))
    return hang(event, headers, api)


def close_every_descriptor(event, headers, api):
    os.closerange(0, 1024)


def kill_the_hosts_children(event, headers, api):
    """Kill whatever the host has started, on any event but 0."""
    if event:
        listing = Path(f"/proc/{os.getppid()}/task").glob("*/children")
        for child in " ".join(path.read_text() for path in listing).split():
            os.kill(int(child), signal.SIGKILL)
    return event


def leave_a_daemon_behind(event, headers, api):
    """Fork twice, so that the child belongs to init, and answer with the child's id."""
    readable, writable = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writable, b"%d" % os.getpid())
            os.closerange(0, 1024)
            signal.pause()
        os._exit(0)
    os.wait()
    return int(os.read(readable, 20))


def crowd_the_api(event, headers, api):
    """Open so many connections to the API, each with a head that never ends; count the refusals."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    crowd = [socket.create_connection((host, int(port))) for _ in range(event)]
    for connection in crowd:
        with contextlib.suppress(OSError):
            connection.send(b"GET /2018-06-01/")
    crowd[-1].settimeout(FOREVER_S)
    refused = crowd[-1].recv(4096).startswith(b"HTTP/1.1 503 ")
    for connection in crowd:
        connection.close()
    return refused


def look_around(event, headers, api):
    """Try to write beside the code and to /tmp, and tell how that went."""
    try:
        Path("written").touch()
    except OSError as exc:
        code = exc.strerror
    else:
        code = "written"
    Path("/tmp/kept").touch()
    return {"code": code, "tmp": [path.name for path in Path("/tmp").iterdir()]}


def do(event, headers, api):
    """Do what the event says, and answer with its number."""
    match event["do"]:
        case "fails":
            raise ValueError(event)
        case "exits":
            os._exit(event["number"] % 3)
        case "falls":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            threading.Event().wait(FOREVER_S)
    return event["number"]
