"""A real host with real processes, for scenarios: `hosted(handler, scenario)`."""

import asyncio
import http.client
import json
import os
import sys
from pathlib import Path

from snapboot_devkit.host import FunctionConfig, LocalHost

HERE = Path(__file__).parent
# Nothing here takes a second; a machine under load may take some.
DEADLINE_S = 60


def config(handler, **settings):
    """Return a function of `behaviours`, run by the plain runtime."""
    runtime = [sys.executable, "-B", str(HERE / "plain_runtime.py")]
    # Generous, so that a slow machine cannot time a plain scenario out.
    settings = {"task_root": HERE, "bootstrap": runtime, "timeout_s": 30.0} | settings
    return FunctionConfig(handler, **settings)


def hosted(handler, scenario, *, log=None, **settings):
    """Run a scenario with a host, and return what it returns once the host is gone."""

    async def play():
        options = {"log": log} if log else {}
        async with asyncio.timeout(DEADLINE_S):
            async with LocalHost(config(handler, **settings), port=0, **options) as host:
                return await scenario(host)

    return asyncio.run(play())


def invoked(handler, payload=None, **settings):
    """Invoke once, and return the outcome."""

    async def scenario(host):
        return await host.invoke(payload)

    return hosted(handler, scenario, **settings)


def request(host, method="POST", path=None, body=b"null", **headers):
    """Send one request to the host's Invoke API from a thread; await the answer."""
    path = path or "/2015-03-31/functions/function/invocations"
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def exchange():
        connection = http.client.HTTPConnection(host.address, timeout=DEADLINE_S)
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    return asyncio.to_thread(exchange)


def requested(handler, *args, settings=None, **kwargs):
    """Invoke once over HTTP, and return status, headers and body."""

    async def scenario(host):
        return await request(host, *args, **kwargs)

    return hosted(handler, scenario, **(settings or {}))


async def until_busy(host):
    """Wait until the host has taken an invocation, which it shows by leaving the cold state."""
    while b"cold" in (await request(host, "GET", "/health"))[2]:
        pass


async def sent_raw(host, data):
    """Send bytes, whatever they are, and return everything the host says until it hangs up."""
    name, _, port = host.address.rpartition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def runs(pid):
    """Tell whether a process runs; one that has ended but is not yet reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return not Path("/proc").is_dir()
    return stat.rpartition(")")[2].split()[0] != "Z"


def document(result):
    """Return the error document of a failed invocation."""
    assert result.function_error == "Unhandled"
    return json.loads(result.payload)
