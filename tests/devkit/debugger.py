"""A debugger for tests: speaks the Debug Adapter Protocol as an editor does."""

import asyncio
import contextlib
import itertools

from snapboot_devkit.debugging.messages import MessageReader, framed


class Debugger:
    """One editor, attached to a port. Use it as an asynchronous context manager."""

    def __init__(self, port):
        self._port = port
        self._numbers = itertools.count(1)
        self._incoming = MessageReader()
        self._messages = []
        self._changed = asyncio.Condition()

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._listening = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(self, *exc):
        self._writer.close()
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    async def attach(self, breakpoints, path):
        """Attach, and set breakpoints at these lines of a file."""
        await self.ask("initialize", adapterID="test", pathFormat="path")
        # Is answered only once all is configured.
        attached = self.send("attach", justMyCode=True)
        await self.received("event", "initialized")
        lines = [{"line": line} for line in breakpoints]
        await self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=lines)
        await self.ask("configurationDone")
        await self.answer(attached)

    def send(self, command, **arguments):
        """Send a request, and return its number."""
        number = next(self._numbers)
        request = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        self._writer.write(framed(request))
        return number

    async def ask(self, command, **arguments):
        """Send a request, and return the body of its answer."""
        return await self.answer(self.send(command, **arguments))

    async def answer(self, number):
        answer = await self._first(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body")

    async def received(self, kind, name):
        """Wait for an event, which is then forgotten, and return its body."""
        event = await self._first(
            lambda message: (message["type"], message.get("event")) == (kind, name)
        )
        self._messages.remove(event)
        return event.get("body")

    async def stopped_in(self):
        """Wait for a stop, and return its thread and the innermost frame."""
        thread = (await self.received("event", "stopped"))["threadId"]
        stack = await self.ask("stackTrace", threadId=thread)
        return thread, stack["stackFrames"][0]

    async def hung_up(self):
        """Wait until the other side has closed the connection."""
        await self._listening

    async def _first(self, wanted):
        def found():
            return next(filter(wanted, self._messages), None)

        async with self._changed:
            await self._changed.wait_for(lambda: found() or self._listening.done())
        assert found(), "the debug adapter has hung up"
        return found()

    async def _listen(self):
        while data := await self._reader.read(65536):
            async with self._changed:
                self._messages += self._incoming.receive(data)
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()
