"""What the invocations are: of each number, by the seed, what it does and what must come of it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

SHARES_OF: Final = 10_000
PADDING: Final = "x" * 100_000

EXIT_ERROR: Final = "Runtime.ExitError"
CRASH: Final = "Extension.Crash"
TRUNCATED: Final = "Runtime.TruncatedResponse"
TOO_LARGE: Final = "Function.ResponseSizeTooLarge"
TIMED_OUT: Final = "Sandbox.Timedout"


@dataclass(frozen=True, slots=True)
class Meant:
    """How often something happens, in ten thousandths, and which answers its caller may get.

    An answer is the echo of its event, or an error of one of the types, whose message holds `text`.
    """

    share: int
    errors: tuple[str, ...] = ()
    text: str = ""
    echo: bool = False


class Kind(Enum):
    """What the function, the extension beside it, or the client does."""

    ECHO = "echo"
    PAD = "pad"
    PRINT = "print"
    LEAVE_CHILDREN = "leave-children"
    RAISE = "raise"
    EXIT = "exit"
    EXIT_1 = "exit-1"
    KILL_ITSELF = "kill-itself"
    EXIT_HALFWAY = "exit-halfway"
    HANG = "hang"
    OVERSIZE = "oversize"
    EXTENSION_KILLS_ITSELF = "extension-kills-itself"
    KILL_EXTENSION = "kill-extension"
    EXTENSION_EXITS_LATE = "extension-exits-late"
    HANG_UP = "hang-up"


MEANT: Final = {
    Kind.PAD: Meant(100, echo=True),
    Kind.PRINT: Meant(150, echo=True),
    Kind.LEAVE_CHILDREN: Meant(30, echo=True),
    Kind.RAISE: Meant(100, ("ValueError",), "no luck with"),
    Kind.EXIT: Meant(20, (EXIT_ERROR,), "without providing a reason"),
    Kind.EXIT_1: Meant(30, (EXIT_ERROR,), "exit status 1"),
    Kind.KILL_ITSELF: Meant(30, (EXIT_ERROR,), "signal: killed"),
    # Which is seen first, the end of the response or that of the process, is the kernel's choice.
    Kind.EXIT_HALFWAY: Meant(20, (EXIT_ERROR, TRUNCATED)),
    Kind.HANG: Meant(20, (TIMED_OUT,), "Task timed out"),
    Kind.OVERSIZE: Meant(30, (TOO_LARGE,), "exceeded maximum allowed payload size"),
    Kind.EXTENSION_KILLS_ITSELF: Meant(8, (CRASH,), "signal: killed"),
    Kind.KILL_EXTENSION: Meant(6, (CRASH,), "signal: killed"),
    # After the answer or before it.
    Kind.EXTENSION_EXITS_LATE: Meant(6, (CRASH,), "exit status 1", echo=True),
    # The client does not wait: the answer may never arrive.
    Kind.HANG_UP: Meant(50),
}
_USUAL: Final = Meant(0, echo=True)
_KINDS: Final = list(MEANT)
_BOUNDS: Final = list(accumulate(meant.share for meant in MEANT.values()))


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation. `stretch` multiplies the share of all that is not a plain echo."""

    seed: int
    number: int
    stretch: int = 1

    @property
    def kind(self) -> Kind:
        """What is to happen."""
        drawn = random.Random(f"{self.seed} {self.number}").randrange(SHARES_OF)  # noqa: S311
        place = drawn // self.stretch
        return next((k for k, end in zip(_KINDS, _BOUNDS, strict=True) if place < end), Kind.ECHO)

    @property
    def meant(self) -> Meant:
        """What must come of it."""
        return MEANT.get(self.kind, _USUAL)

    @property
    def answers(self) -> int:
        """How many answers there must be."""
        return int(self.kind is not Kind.HANG_UP)

    @property
    def request_id(self) -> str:
        """An id that says what the extension is to do, which sees no event."""
        return str(UUID(int=(list(Kind).index(self.kind) << 96) + self.number))

    @property
    def document(self) -> dict[str, Any]:
        """The event as the function receives it; an echo is the same."""
        padding = {"padding": PADDING} if self.kind is Kind.PAD else {}
        return {"number": self.number, "kind": self.kind.value, **padding}

    def fault_of(self, payload: bytes, *, failed: bool) -> str | None:
        """Return what is wrong with an answer, or None."""
        try:
            document = json.loads(payload)
        except ValueError:
            return f"{payload[:200]!r} is not JSON"
        if not failed:
            right = self.meant.echo and document == self.document
            return None if right else f"{payload[:200]!r} is no answer to it"
        known = document.get("errorType") in self.meant.errors
        expected = self.meant.text in document.get("errorMessage", "")
        return None if known and expected else f"{payload[:400]!r} is not an error of it"


def number_of(request_id: str) -> int:
    """Return the number of the invocation that has this id."""
    return UUID(request_id).int & (1 << 96) - 1
