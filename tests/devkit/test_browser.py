"""A browser at a function URL: the function's own page works, and another site's page gets nowhere."""

import json
import os
import queue
import shutil
import subprocess
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from snapboot_devkit.host import FunctionConfig
from tests.devkit.hosted import DEADLINE_S
from tests.devkit.outside import OriginPolicy, served

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "firefox")
CHROME = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    # So that it stays until the test ends it.
    *("--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"),
)

# A page reports what it does to the test: REPORT stands for where.
REPORTING = """
const seen = {};
const report = () => fetch("REPORT", {method: "POST", mode: "no-cors", body: JSON.stringify(seen)});
const attempt = async (name, act) => {
  try { seen[name] = await act(); } catch (error) { seen[name] = error.name; }
};
const post = {method: "POST", body: '"from a page"'};
"""

OWN_PAGE = (
    REPORTING
    + """
await attempt("get", async () => (await fetch("/data")).text());
await attempt("post", async () => (await fetch("/data", post)).text());
seen.cookie = document.cookie;
await report();
"""
)

# It reports the first event at once, and the function waits until it has.
EVENTS_PAGE = (
    REPORTING
    + """
seen.events = [];
const source = new EventSource("/events");
source.onmessage = event => { seen.events.push(event.data); report(); };
source.onerror = () => source.close();
"""
)

# A `no-cors` request goes out without asking, and its answer is hidden from the page.
FOREIGN_PAGE = (
    REPORTING
    + """
const image = address => new Promise(resolve => {
  const shown = new Image();
  shown.onload = () => resolve("loaded");
  shown.onerror = () => resolve("nothing");
  shown.src = address;
});
for (const place of PLACES) {
  await attempt(`read ${place}`, async () => (await fetch(place)).text());
  await attempt(`post ${place}`, async () => (await fetch(place, post)).text());
  await attempt(`send ${place}`, async () => (await fetch(place, {...post, mode: "no-cors"})).type);
  await attempt(`show ${place}`, () => image(place));
}
await report();
"""
)

FUNCTION = """
import pathlib

PAGE = pathlib.Path("page.html").read_text()

def handler(event, context):
    if "rawPath" not in event:
        print("invoked")
        return None
    print("visited", event["requestContext"]["http"]["method"], event["rawPath"])
    if event["rawPath"] == "/":
        headers = {"content-type": "text/html"}
        return {"statusCode": 200, "headers": headers, "body": PAGE, "cookies": ["tea=green"]}
    return {"statusCode": 200, "body": "data for " + event.get("body", "nobody")}
"""


def browser_command(profile):
    """Return what starts a browser, but for the address; skip without one."""
    program = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)}, or its path in BROWSER")
    if "firefox" in program:
        return [program, "--headless", "--profile", str(profile)]
    return [program, *CHROME, f"--user-data-dir={profile}"]


@contextmanager
def visiting(command, address):
    """Have a browser at an address."""
    with subprocess.Popen(
        [*command, address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as browser:
        try:
            yield
        finally:
            # Its processes come in a group, and all of them have to go.
            os.killpg(browser.pid, 9)


class _Site(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(self.server.page.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.reports.put(json.loads(body))
        self._answer(b"")

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def another_site():
    """Serve a page of another origin, and take reports: `address`, `page`, `reports`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.daemon_threads = True
    server.reports = queue.Queue()
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(DEADLINE_S)
        server.server_close()


def page(script, **words):
    for word, text in words.items():
        script = script.replace(word, text)
    return f"<!doctype html><title>page</title><script type=module>{script}</script>"


def function(folder):
    (folder / "app.py").write_text(FUNCTION)
    return FunctionConfig("app.handler", task_root=folder, name="shop", timeout_s=30.0)


EVENTS = """
import os
import pathlib
import snapboot

def handler(event, context):
    if event["rawPath"] == "/events":
        return snapboot.HttpResponse(200, {"content-type": "text/event-stream"}, body=events())
    page = pathlib.Path("page.html").read_text()
    return snapboot.HttpResponse(200, {"content-type": "text/html"}, body=iter([page]))

async def events():
    yield "data: one\\n\\n"
    with open(os.environ["GATE"], "rb", 0) as gate:
        gate.read(1)
    yield "data: two\\n\\n"
"""


@pytest.fixture
def command(tmp_path):
    return browser_command(tmp_path / "profile")


def visited(lines):
    return [line.text for line in lines if line.text.startswith(("visited", "invoked"))]


def test_a_function_s_page_loads_and_asks_its_own_function(command, tmp_path):
    lines = []
    with another_site() as site:
        (tmp_path / "page.html").write_text(page(OWN_PAGE, REPORT=site.address))

        def scenario(address):
            port = address.rpartition(":")[2]
            with visiting(command, f"http://shop.lambda-url.localhost:{port}/"):
                return site.reports.get(timeout=DEADLINE_S)

        seen = served(scenario, function(tmp_path), log=lines.append)
    assert seen == {
        "get": "data for nobody",
        "post": 'data for "from a page"',
        "cookie": "tea=green",
    }
    assert visited(lines)[0] == "visited GET /"
    assert {"visited GET /data", "visited POST /data"} < set(visited(lines))


def test_another_site_s_page_neither_invokes_the_function_nor_reads_its_url(command, tmp_path):
    lines = []
    (tmp_path / "page.html").write_text("")
    with another_site() as site:

        def scenario(address):
            port = address.rpartition(":")[2]
            places = [
                f"http://shop.lambda-url.localhost:{port}/data",
                f"http://127.0.0.1:{port}/function-url/shop/data",
                f"http://127.0.0.1:{port}/2015-03-31/functions/shop/invocations",
                f"http://localhost:{port}/2015-03-31/functions/function/invocations",
            ]
            site.page = page(FOREIGN_PAGE, REPORT=site.address, PLACES=json.dumps(places))
            with visiting(command, site.address):
                return places, site.reports.get(timeout=DEADLINE_S)

        places, seen = served(scenario, function(tmp_path), log=lines.append)
    for place in places:
        assert seen[f"read {place}"] == "TypeError"
        assert seen[f"post {place}"] == "TypeError"
        assert seen[f"show {place}"] == "nothing"
        # It was sent, and the host has answered; nothing else would show that it refused.
        assert seen[f"send {place}"] == "opaque"
    # Nothing has been started: all that is logged is which sites are refused.
    assert lines
    assert all(line.text.startswith("snapboot: ") for line in lines)
    assert all(" is answered 403: " in line.text for line in lines)


def test_a_page_from_which_all_may_come_is_let_in(command, tmp_path):
    """The same page with the gate open: what the test above sees is the gate's doing."""
    lines = []
    (tmp_path / "page.html").write_text("")
    with another_site() as site:

        def scenario(address):
            place = f"http://{address}/function-url/shop/data"
            site.page = page(FOREIGN_PAGE, REPORT=site.address, PLACES=json.dumps([place]))
            with visiting(command, site.address):
                return site.reports.get(timeout=DEADLINE_S)

        served(scenario, function(tmp_path), log=lines.append, allow_hosts=["127.0.0.1"])
    assert "visited POST /data" in visited(lines)


def test_a_page_has_each_server_sent_event_while_the_function_waits_to_yield_the_next(
    command, tmp_path
):
    (tmp_path / "app.py").write_text(EVENTS)
    with another_site() as site, closing(OriginPolicy(tmp_path)) as gate:
        (tmp_path / "page.html").write_text(page(EVENTS_PAGE, REPORT=site.address))
        shop = FunctionConfig(
            "app.handler",
            task_root=tmp_path,
            name="shop",
            timeout_s=30.0,
            env={"GATE": gate.path},
            stream_url=True,
        )

        def scenario(address):
            port = address.rpartition(":")[2]
            with visiting(command, f"http://shop.lambda-url.localhost:{port}/"):
                first = site.reports.get(timeout=DEADLINE_S)
                gate.open()
                return first, site.reports.get(timeout=DEADLINE_S)

        first, both = served(scenario, shop)
    assert (first, both) == ({"events": ["one"]}, {"events": ["one", "two"]})
