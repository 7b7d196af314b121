"""Services that look at a head once: what they found holds for the next request, and no other."""

import asyncio
import os

from snapboot_devkit.host.callers.front_end import FrontEnd
from snapboot_devkit.host.execution.api import EnvironmentApi
from snapboot_devkit.host.http import heads
from snapboot_devkit.host.lifecycle.messages import CallDropped, NextCalled
from snapboot_devkit.host.routes.cross_site import OriginPolicy
from snapboot_devkit.host.routes.invoke import InvokeTarget
from snapboot_devkit.host.routes.services import Services
from snapboot_devkit.host.scaling.functions import Functions
from tests.devkit.hosted import DEADLINE_S, config

HERE = Functions((config("about"),), 1)
INVOKE = b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: %b\r\n%b\r\n"
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %b\r\n%b\r\n"


class Asked:
    """A request with a head alone."""

    def __init__(self, data):
        self.head = heads.usual(data)[0]
        self.note = None
        self.status = None

    def answer(self, response):
        self.status = response.status


def asked(service, host, lines=b""):
    request = Asked(INVOKE % (host, lines))
    service.opened(request)
    return request.status, type(request.note)


def test_what_is_refused_is_refused_again_and_what_is_let_in_is_let_in_again():
    service = FrontEnd(HERE, OriginPolicy("127.0.0.1"))
    for _ in range(3):
        assert asked(service, b"localhost") == (None, InvokeTarget)
        assert asked(service, b"evil.example") == (403, type(None))
        assert asked(service, b"localhost", b"Origin: http://evil.example\r\n") == (
            403,
            type(None),
        )


def test_what_one_host_lets_in_another_may_refuse():
    let_in = FrontEnd(HERE, OriginPolicy("127.0.0.1", allowed=frozenset({"dev.example"})))
    refused = FrontEnd(HERE, OriginPolicy("127.0.0.1"))
    for _ in range(2):
        assert asked(let_in, b"dev.example") == (None, InvokeTarget)
        assert asked(refused, b"dev.example") == (403, type(None))


def test_any_number_of_different_heads_is_looked_at():
    service = FrontEnd(HERE, OriginPolicy("127.0.0.1"))
    for number in range(200):
        host, line = b"localhost:%d" % number, os.urandom(2048).hex().encode()
        assert asked(service, host) == (None, InvokeTarget)
        assert asked(service, host, b"A: %b\r\n" % line) == (None, InvokeTarget)
        assert asked(service, b"evil.example:%d" % number) == (403, type(None))


class Owner:
    """An environment that receives calls, and answers none."""

    def __init__(self):
        self.received = asyncio.Queue()

    def called(self, *messages):
        for one in messages:
            self.received.put_nowait(type(one))


def asked_by_two_connections(lines, scenario):
    """Send the same call by two connections, and run a scenario with the APIs and these."""

    async def play():
        owner = Owner()
        api = EnvironmentApi(owner, config("about"), Services("token"))
        await api.open()
        host, _, port = api.address.partition(":")
        async with asyncio.timeout(DEADLINE_S):
            streams = [await asyncio.open_connection(host, port) for _ in range(2)]
            for _, writer in streams:
                writer.write(NEXT % (api.address.encode(), lines))
            await scenario(owner, api, [reader for reader, _ in streams])
            for _, writer in streams:
                writer.close()
            await api.close()

    asyncio.run(play())


def test_every_connection_by_which_a_runtime_asks_ends_with_it():
    async def scenario(owner, api, readers):
        assert [await owner.received.get() for _ in readers] == [NextCalled] * 2
        api.forget_runtime()
        assert [await reader.read() for reader in readers] == [b""] * 2
        assert [await owner.received.get() for _ in readers] == [CallDropped] * 2

    asked_by_two_connections(b"", scenario)


def test_a_page_that_asks_as_a_runtime_does_is_refused_each_time():
    async def scenario(owner, api, readers):
        for reader in readers:
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403 ")
        assert owner.received.empty()

    asked_by_two_connections(b"Origin: http://evil.example\r\n", scenario)
