"""A process that does what its script says and keeps a journal: an extension, or a runtime.

It is started under the name of its part: the name of its file in `extensions/`, or its first
argument. The folder in `SNAPBOOT_ACTORS` holds `<part>.json`, a list of lives, each a list of
steps; the last life is lived again and again. `<part>.journal` gets a line for each thing done,
as does `journal`, which so shows the order. Only the standard library is used, and no deadline is
this program's own but DEADLINE_S, after which it gives up on a flag that is not raised.
"""

import http.client
import http.server
import json
import os
import signal
import socketserver
import sys
import threading
from pathlib import Path

FOLDER = Path(os.environ["SNAPBOOT_ACTORS"])
PART = sys.argv[1] if len(sys.argv) > 1 else Path(sys.argv[0]).name
DEADLINE_S = 20
POLL_S = 0.01
EXTENSION = "/2020-01-01/extension"
RUNTIME = "/2018-06-01/runtime"
TELEMETRY = "/2022-07-01/telemetry"
GAVE_UP = 99
SHOWN_BYTES = 80


def write(name, text):
    with (FOLDER / name).open("ab", buffering=0) as file:
        file.write(f"{text}\n".encode())


def note(text):
    write(f"{PART}.journal", text)
    write("journal", f"{PART}: {text}")


def wait_until(condition, name):
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / POLL_S)):
        if condition():
            return
        pause.wait(POLL_S)
    note(f"gave up on {name}")
    os._exit(GAVE_UP)


class Actor:
    """What one life knows: the extension it registered as, and the event it works at."""

    def __init__(self):
        self.extension = self.request = self.event = ""

    def perform(self, steps):
        for name, *args in steps:
            getattr(self, name)(*args)

    # ---- anybody ---------------------------------------------------------------------------

    def call(self, method, path, headers=None, body=None, word=None):
        """Make any call; `{extension}` and `{request}` stand for the ids at hand."""
        ids = {"extension": self.extension, "request": self.request}
        path = path.format_map(ids)
        sent = {key: value.format_map(ids) for key, value in (headers or {}).items()}
        answer = self._exchange(method, path, sent, body)
        note(f"{word or path.rpartition('/')[2]} -> {shown(answer)}")
        return answer

    def behind(self, *step):
        """Do a step in a thread, and go on."""
        threading.Thread(target=self.perform, args=([step],), daemon=True).start()

    def flag(self, name):
        (FOLDER / f"{name}.flag").touch()

    def wait(self, name):
        """Wait until another part, or the test, has raised a flag."""
        wait_until((FOLDER / f"{name}.flag").exists, name)

    def wait_for(self, line):
        """Wait until a line is in this part's own journal."""
        journal = FOLDER / f"{PART}.journal"
        wait_until(lambda: line in journal.read_text().splitlines(), line)

    def note(self, text):
        note(text)

    def say(self, text):
        """Write a line to standard output, which is the log."""
        os.write(1, f"{text}\n".encode())

    def variables(self):
        note(" ".join(sorted(os.environ)))

    def catch(self, ending="stay"):
        """Take note of SIGTERM, and `leave` at it, or not."""

        def caught(_number, _frame):
            note("SIGTERM")
            if ending == "leave":
                os._exit(0)

        signal.signal(signal.SIGTERM, caught)

    def leave(self, code):
        note(f"exit {code}")
        os._exit(code)

    def hang(self):
        while True:
            signal.pause()

    # ---- an extension ----------------------------------------------------------------------

    def register(self, *events, name=None):
        headers = {"Lambda-Extension-Name": name or PART}
        body = json.dumps({"events": events})
        self.call("POST", f"{EXTENSION}/register", headers, body)

    def register_inside(self, name, *events):
        self.register(*events, name=name)

    def next(self):
        """Wait for the next event; after SHUTDOWN leave."""
        headers = {"Lambda-Extension-Identifier": self.extension}
        answer = self.call("GET", f"{EXTENSION}/event/next", headers)
        if answer and answer[0] == 200 and json.loads(answer[2])["eventType"] == "SHUTDOWN":
            self.leave(0)

    def serve(self):
        while True:
            self.next()

    def report(self, phase, kind="Extension.Reported"):
        """Post an error of the phase `init` or `exit`."""
        headers = {
            "Lambda-Extension-Identifier": self.extension,
            "Lambda-Extension-Function-Error-Type": kind,
        }
        body = json.dumps({"errorMessage": "reported", "errorType": kind})
        self.call("POST", f"{EXTENSION}/{phase}/error", headers, body, f"{phase}/error")

    def look(self):
        """Wait for the next event, note all of it, and stay whatever it is."""
        headers = {"Lambda-Extension-Identifier": self.extension}
        answer = self._exchange("GET", f"{EXTENSION}/event/next", headers, None)
        note("hung up" if answer is None else answer[2].decode())

    def subscribe(self, *types, schema="2022-12-13"):
        """Take telemetry by HTTP; what is delivered is kept in `<part>.telemetry`, line by line."""
        self.subscribe_by("HTTP", TELEMETRY, schema, 25, *types)

    def subscribe_by(self, protocol, path, schema, timeout_ms, *types):
        """Take telemetry or logs by HTTP or TCP."""
        server, destination = LISTENERS[protocol]()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        body = {
            "schemaVersion": schema,
            "types": types,
            "buffering": {"timeoutMs": timeout_ms},
            "destination": {"protocol": protocol, **destination},
        }
        headers = {"Lambda-Extension-Identifier": self.extension}
        self.call("PUT", path, headers, json.dumps(body))

    def wait_for_telemetry(self, count):
        """Wait until so many events of telemetry have come."""
        path = FOLDER / f"{PART}.telemetry"
        what = f"{count} events"
        wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, what)

    # ---- a runtime -------------------------------------------------------------------------

    def ask(self):
        """Wait for the next event."""
        answer = self.call("GET", f"{RUNTIME}/invocation/next")
        if answer and answer[0] == 200:
            self.request = answer[1]["Lambda-Runtime-Aws-Request-Id"]
            self.event = answer[2].decode()

    def respond(self, text=None, **headers):
        body = self.event if text is None else text
        path = f"{RUNTIME}/invocation/{{request}}/response"
        self.call("POST", path, {"Content-Type": "application/json", **headers}, body)

    def respond_much(self, size):
        self.respond('"' + "x" * (size - 2) + '"')

    def respond_in_mode(self, mode):
        self.respond(**{"Lambda-Runtime-Function-Response-Mode": mode})

    def fail(self, body='{"errorMessage":"failed","errorType":"Failure"}'):
        headers = {"Lambda-Runtime-Function-Error-Type": "Function.Failed"}
        self.call("POST", f"{RUNTIME}/invocation/{{request}}/error", headers, body)

    def fail_init(self):
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.Refused"}
        body = '{"errorMessage":"refused","errorType":"Refusal"}'
        self.call("POST", f"{RUNTIME}/init/error", headers, body, "init/error")

    def echo(self):
        while True:
            self.ask()
            self.respond()

    # ---- calls -----------------------------------------------------------------------------

    def _exchange(self, method, path, headers, body):
        """Return status, headers and body; None when the other side hung up."""
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.status, response.headers, response.read()
        except (http.client.HTTPException, OSError):
            return None
        finally:
            connection.close()
        self.extension = answer[1]["Lambda-Extension-Identifier"] or self.extension
        return answer


class Listener(http.server.BaseHTTPRequestHandler):
    """Takes telemetry."""

    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            write(f"{PART}.telemetry", json.dumps(event))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Keep quiet: standard error is the extension's log."""


class LineListener(socketserver.StreamRequestHandler):
    """Takes telemetry, line by line."""

    def handle(self):
        for line in self.rfile:
            write(f"{PART}.telemetry", json.dumps(json.loads(line)))


def listen_by_http():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    return server, {"URI": f"http://sandbox.localdomain:{server.server_port}/"}


def listen_by_tcp():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), LineListener)
    return server, {"port": server.server_address[1]}


LISTENERS = {"HTTP": listen_by_http, "TCP": listen_by_tcp}


def shown(answer):
    """Return an answer in few words: of an event its kind, of an error its type and message."""
    if answer is None:
        return "hung up"
    status, _, body = answer
    try:
        document = json.loads(body)
    except ValueError:
        return f"{status} {body.decode(errors='replace').strip()}".strip()
    match document:
        case {"eventType": kind}:
            words = kind, document.get("shutdownReason", "")
        case {"errorType": kind, "errorMessage": message}:
            words = str(status), f"{kind}: {message}"
        case {"status": "OK"} | {"functionName": _}:
            words = str(status), ""
        case _:
            words = str(status), body.decode()[:SHOWN_BYTES]
    return " ".join(words).strip()


def main():
    journal = FOLDER / f"{PART}.journal"
    lived = journal.read_text().split("\n").count("started") if journal.exists() else 0
    (FOLDER / f"{PART}.pid").write_text(str(os.getpid()))
    note("started")
    lives = json.loads((FOLDER / f"{PART}.json").read_text())
    actor = Actor()
    actor.perform(lives[min(lived, len(lives) - 1)])
    actor.hang()


main()
