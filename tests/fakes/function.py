"""A function: code in a task root, and one execution environment's worth of it.

    function.code('''
        def handler(event, context):
            return event
    ''')
    run = function.run(Event(b"1"), Event(b"2"))
    assert run.results == [1, 2]

The runtime runs until it has answered everything and waits in `next`, or until it ends by itself.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.contenders import OURS
from tests.fakes.runtime_api import Call, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fakes.contenders import Contender
    from tests.fakes.requests import Request
    from tests.fakes.scenario import Event, Reply

TRANSPORTS: Final = ("socket", "urllib3")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process did; `returncode` is None if it was still waiting in `next`."""

    requests: tuple[Request, ...]
    returncode: int | None
    stdout: str
    stderr: str

    @property
    def answers(self) -> list[Request]:
        """The responses and errors, in order."""
        return [r for r in self.requests if r.call in (Call.RESPONSE, Call.ERROR)]

    @property
    def results(self) -> list[Any]:
        """What the handler returned, event by event. Fails on an error."""
        assert all(a.call is Call.RESPONSE for a in self.answers), [a.body for a in self.answers]
        return [answer.json() for answer in self.answers]

    @property
    def result(self) -> Any:
        """What the handler returned for the only event."""
        (result,) = self.results or (self,)
        assert result is not self, f"no answer: {self!r}"
        return result

    @property
    def error(self) -> Request:
        """The error that was posted, the only one."""
        (error,) = (r for r in self.requests if r.method == "POST" and r.call is not Call.RESPONSE)
        return error

    @property
    def document(self) -> dict[str, Any]:
        """The document of the error that was posted."""
        document = self.error.json()
        assert isinstance(document, dict)
        return document


class Function:
    """A task root to write files into, and to run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __repr__(self) -> str:
        """Name the task root."""
        return f"<Function {self.root}>"

    def code(self, source: str) -> Path:
        """Write the module of the handler, `app.py`."""
        return self.write("app.py", source)

    def write(self, name: str, source: str) -> Path:
        """Write a file of the task root, its folders included; common indentation is taken off."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8", errors="surrogateescape")
        return path

    def run(
        self,
        *events: Event,
        handler: str = "app.handler",
        environment: Mapping[str, str | None] | None = None,
        contender: Contender = OURS,
        faults: Mapping[Call, Sequence[Reply]] | None = None,
    ) -> Run:
        """Serve the events in one process and return what it did."""
        with RuntimeAPI(*events, faults=faults) as api:
            process = RuntimeProcess(
                contender, handler, api.address, task_root=self.root, environment=environment
            )
            with process:
                goes_on = api.wait_idle_or(process.has_ended)
                returncode = None if goes_on else process.wait().returncode
            stdout, stderr = (
                text.decode("utf-8", "backslashreplace")
                for text in (process.stdout, process.stderr)
            )
            return Run(api.requests, returncode, stdout, stderr)
