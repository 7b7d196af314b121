"""Which faults are tried on which calls."""

from __future__ import annotations

from typing import Final

from tests.contract.fault import SNAP_START, Fault, Stage
from tests.fakes.runtime_api import TRUNCATED, Call, Cut, Ending, Framing, Reply
from tests.fakes.runtime_api import Stage as CutStage

PAUSE_S: Final = 5.0
HUGE_HEADER: Final = ("X-Huge", "x" * 60_000)

TWO: Final = (b'"one"', b'"two"')
LONG: Final = (b"4000000", b"100000")
FAILING: Final = (b'"ValueError"', b'"KeyError"')
STAGES: Final = (
    Stage("next", Call.NEXT, Call.RESPONSE, "echo", TWO, earlier=1),
    Stage("response", Call.RESPONSE, Call.NEXT, "echo", TWO),
    Stage("stream", Call.RESPONSE, Call.NEXT, "streams", TWO),
    Stage("long stream", Call.RESPONSE, Call.NEXT, "streams", LONG),
    Stage("error", Call.ERROR, Call.NEXT, "failures", FAILING),
    Stage("init/error", Call.INIT_ERROR, Call.UNKNOWN, "broken", handler="raises.handler"),
    Stage(
        *("init/error of a hook", Call.INIT_ERROR, Call.UNKNOWN, "hooks"),
        environment={**SNAP_START, "HOOKS": "before raises"},
    ),
    Stage(
        *("restore/next", Call.RESTORE_NEXT, Call.UNKNOWN, "hooks", (b"{}",)),
        environment=SNAP_START,
    ),
    Stage(
        *("next after restore", Call.NEXT, Call.RESTORE_NEXT, "hooks", (b"{}",)),
        environment=SNAP_START,
    ),
    Stage(
        *("restore/error", Call.RESTORE_ERROR, Call.RESTORE_NEXT, "hooks"),
        environment={**SNAP_START, "HOOKS": "after raises"},
    ),
)
NAMED: Final = {stage.name: stage for stage in STAGES}

NONE: Final = (Fault("none", Reply()),)
STATUSES: Final = {
    status: Fault(str(status), Reply(status=status)) for status in (400, 403, 404, 410, 413, 500)
}
TRUNCATION: Final = Fault("400 TruncatedHTTPRequest", Reply(status=400, body=TRUNCATED))
CUTS: Final = tuple(
    Fault(f"{ending.value} {stage.value}", Reply(cut=Cut(stage, ending)))
    for stage in CutStage
    if stage not in (CutStage.AMID_BODY, CutStage.AFTER_REPLY)
    for ending in Ending
)
STREAM_CUTS: Final = tuple(
    Fault(f"{ending.value} {CutStage.AMID_BODY.value}", Reply(cut=Cut(CutStage.AMID_BODY, ending)))
    for ending in Ending
)
EARLY: Final = tuple(
    Fault(f"{status} at once", Reply(status=status, early=True)) for status in (400, 410, 413, 500)
)
IDLE: Final = tuple(
    Fault(f"{ending.value} while idle", Reply(cut=Cut(CutStage.AFTER_REPLY, ending)), before=True)
    for ending in Ending
)
SHAPES: Final = (
    Fault("byte by byte", Reply(piece_bytes=1)),
    Fault("chunked", Reply(framing=Framing.CHUNKED)),
    Fault("chunked, byte by byte", Reply(framing=Framing.CHUNKED, piece_bytes=1)),
    Fault("Connection: close", Reply(closing=True)),
    Fault("HTTP/1.0", Reply(version="HTTP/1.0", framing=Framing.UNTIL_CLOSE)),
    Fault("60 KB of headers", Reply(headers=(HUGE_HEADER,))),
    Fault("no HTTP at all", Reply(raw=b"garbage\r\n\r\n")),
    Fault("a pause of 5 s amid the body", Reply(pause_s=PAUSE_S)),
)


def _refused(*statuses: int) -> tuple[Fault, ...]:
    return tuple(STATUSES[status] for status in statuses)


FAULTS: Final[dict[str, tuple[Fault, ...]]] = {
    "next": (*_refused(403, 500), *CUTS, *IDLE, *SHAPES),
    "response": (
        *(*_refused(400), TRUNCATION, *_refused(403, 410, 413, 500)),
        *(*CUTS, *IDLE, *SHAPES),
    ),
    "stream": (
        *(*_refused(400), TRUNCATION, *_refused(403, 410, 413, 500)),
        *(*CUTS, *STREAM_CUTS, *IDLE, *EARLY, *SHAPES[:-1]),
    ),
    "long stream": (*_refused(413, 500), TRUNCATION, *CUTS, *STREAM_CUTS, *EARLY),
    "error": (*_refused(400), TRUNCATION, *_refused(403, 410, 413, 500), *CUTS, *IDLE),
    "init/error": (*NONE, *_refused(403, 500), *CUTS),
    "init/error of a hook": (*NONE, *_refused(403, 500)),
    "restore/next": (*NONE, *_refused(403, 404, 500), *CUTS),
    "next after restore": (*_refused(403, 500), *IDLE),
    "restore/error": (*NONE, *_refused(403, 404, 500), *CUTS, *IDLE),
}
PAIRS: Final = tuple((NAMED[name], fault) for name, faults in FAULTS.items() for fault in faults)
# AWS's runtime does not stream.
THEIR_PAIRS: Final = tuple(pair for pair in PAIRS if pair[0].function != "streams")
