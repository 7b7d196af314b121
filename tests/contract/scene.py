"""A scene: extensions and a runtime with their parts, and events; played on a platform.

What is seen of it is a text for each who takes part: the callers' answers, and the journal of each
process. It is compared with what the scene expects, as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.contract.observation import Observation
from tests.contract.suites import FUNCTIONS
from tests.devkit.extensions import Stage
from tests.fakes.contenders import Contender

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.emulator import Answer
    from tests.contract.platforms import Platform

Lives = Sequence[Sequence[Sequence[Any]]]

# What callers get is listed under this name; no part has it.
ANSWERS: Final = "answers"
ORDER: Final = "order"
RUNTIME: Final = "runtime"
ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Scene:
    """What is given, what happens, and what is expected of our host.

    Each extension has a script, or several for as many lives. The runtime has one too, unless
    it is left out: then it is played with each real runtime, and runs `handler`. The process of
    the part that `killed` names is killed before the event with this number, counted from 0.
    `expect` has the lines of each part, and of the callers' ANSWERS; those under
    ORDER are beginnings of lines, found in the journal of all in this order. A part may be left
    out where its lines depend on the moment.
    """

    name: str
    expect: Mapping[str, Sequence[str]]
    extensions: Mapping[str, Lives] = field(default_factory=dict)
    runtime: Lives | None = None
    handler: str = "app.handler"
    folder: str = "echo"
    events: tuple[bytes, ...] = (b"1",)
    killed: Mapping[int, str] = field(default_factory=dict)
    timeout_s: int = 20
    not_executable: str | None = None

    def __repr__(self) -> str:
        """Name it."""
        return f"<Scene {self.name}>"

    @property
    def expected(self) -> Observation:
        """What our host is to show."""
        return Observation({part: "\n".join(lines) for part, lines in self.expect.items()})

    def play(
        self, platform: type[Platform], contender: Contender | None, folder: Path
    ) -> Observation:
        """Return what was seen, on a stage that is built in an empty folder."""
        stage = Stage(folder)
        for name, lives in self.extensions.items():
            stage.extension(name, *lives, executable=name != self.not_executable)
        command = contender or self._scripted(stage)
        answers = self._run(platform, command, stage)
        seen = {part: self._seen(part, answers, stage) for part in self.expect}
        return Observation({part: ID.sub("<id>", text) for part, text in seen.items()})

    def _scripted(self, stage: Stage) -> Contender:
        assert self.runtime is not None
        command = stage.runtime(*self.runtime)
        return Contender("scripted", lambda _: command, dict)

    def _run(self, platform: type[Platform], contender: Contender, stage: Stage) -> list[Answer]:
        with platform(
            contender,
            self.handler,
            task_root=FUNCTIONS / self.folder,
            environment={"AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout_s), **stage.variables},
            layer=stage.layer,
        ) as running:
            answers = []
            for number, event in enumerate(self.events):
                if number in self.killed:
                    running.rest()
                    stage.kill(self.killed[number])
                    running.notice()
                answers.append(running.invoke(event, {}))
            running.end()
        return answers

    def _seen(self, part: str, answers: list[Answer], stage: Stage) -> str:
        if part == ANSWERS:
            return "\n".join(_reported(answer) for answer in answers)
        if part == ORDER:
            return "\n".join(_in_order(self.expect[ORDER], stage.journal()))
        return "\n".join(stage.journal(part))


def _reported(answer: Answer) -> str:
    """Return status and body; how JSON is spaced is not what a scene is about."""
    try:
        body = json.dumps(json.loads(answer.body), separators=(",", ":"))
    except ValueError:
        body = answer.body.decode(errors="replace")
    return f"{answer.status} {body}".strip()


def _in_order(wanted: Sequence[str], journal: Sequence[str]) -> list[str]:
    """Return the beginnings of lines that are wanted, in the order they first happened in."""
    firsts: dict[str, None] = {}
    for line in journal:
        for beginning in wanted:
            if line.startswith(beginning):
                firsts.setdefault(beginning)
    return list(firsts)
