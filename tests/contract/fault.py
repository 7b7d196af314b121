"""A fault of the Runtime API on one of its calls, and what a runtime makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.contract.suites import FUNCTIONS
from tests.fakes.runtime_api import NORMAL, Call, Event, Reply, Request, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

if TYPE_CHECKING:
    from tests.fakes.contenders import Contender

SNAP_START: Final = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
ANSWERS: Final = (Call.RESPONSE, Call.ERROR)
ERRNO: Final = re.compile(r"\[Errno \d+\] ")


@dataclass(frozen=True, slots=True)
class Stage:
    """A call within a run that leads up to it: `function` gets `events` until `call` is made.

    `earlier` is how often the call goes well before the fault; `previous` is the call before.
    """

    name: str
    call: Call
    previous: Call
    function: str
    events: tuple[bytes, ...] = ()
    earlier: int = 0
    handler: str = "app.handler"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong; `before` when it happens to the call before, unseen until this one."""

    name: str
    reply: Reply
    before: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a runtime makes of it.

    `exit_code` is None when it goes on, and asks for the next event. `sends` counts how often the
    faulty call was sent (of `response` and `error`: for the first event). `answers` says what was
    posted for each event, in order. `last_line` is the last line on stderr, ids and numbers out.
    """

    exit_code: int | None
    sends: int
    answers: tuple[str, ...]
    last_line: str = ""


def script(stage: Stage, fault: Fault) -> dict[Call, list[Reply]]:
    """Return the replies of the Runtime API that make the fault happen."""
    earlier = [NORMAL] * stage.earlier
    if not fault.before:
        return {stage.call: [*earlier, fault.reply]}
    return {stage.previous: [fault.reply]}


def run(stage: Stage, fault: Fault, contender: Contender) -> Outcome:
    """Return what the contender makes of the fault."""
    # What ends a connection must be there before the function answers.
    waits = fault.before and stage.call in ANSWERS
    idle = "idle_streams" if stage.function == "streams" else "idle"
    root = FUNCTIONS / (idle if waits else stage.function)
    events = [Event(body).numbered(place) for place, body in enumerate(stage.events)]
    with (
        RuntimeAPI(*events, faults=script(stage, fault)) as api,
        RuntimeProcess(
            contender, stage.handler, api.address, task_root=root, environment=stage.environment
        ) as process,
    ):
        ended = None if api.wait_idle_or(process.has_ended) else process.wait()
    # Only now has the server recorded all that was sent to a connection it had closed.
    return Outcome(
        ended.returncode if ended else None,
        _sends(api, stage.call),
        tuple(_answer(each, events) for each in api.requests if each.call in ANSWERS),
        _steady(ended.last_error_line) if ended else "",
    )


def _answer(request: Request, events: list[Event]) -> str:
    """Return which call answers an event; say so when an echo says something else."""
    event = next(event for event in events if event.request_id == request.request_id)
    echoes = request.call is Call.RESPONSE and event.body.startswith(b'"') and request.complete
    garbled = echoes and request.body != event.body
    return f"{request.call.value} {request.body!r}" if garbled else request.call.value


def _sends(api: RuntimeAPI, call: Call) -> int:
    sent = api.sent(call)
    if call not in ANSWERS:
        return len(sent)
    return sum(request.request_id == sent[0].request_id for request in sent)


def _steady(line: str) -> str:
    return ERRNO.sub("", re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", line))
