"""Real extensions for tests: each is an executable that follows a script and keeps a journal.

    stage = Stage(folder)
    stage.extension("watcher", [["register", "INVOKE", "SHUTDOWN"], ["serve"]])
    … start a function with `stage.layer` as a layer and `stage.variables` as variables …
    assert stage.journal("watcher") == ["started", "register -> 200", "next -> INVOKE"]

A script may have several lives, for processes that are started again: `[first], [later]`.
`stage.runtime(script)` returns the command of a Runtime API client that follows a script too.
What the steps are: the methods of `Actor` in `actor.py`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Steps = Sequence[Sequence[Any]]

ACTOR: Final = Path(__file__).parent / "actor.py"
DEADLINE_S: Final = 20.0
POLL_S: Final = 0.01
PYTHON: Final = (sys.executable, "-SsP")


class Stage:
    """A folder with a layer of extensions, their scripts, and what they did."""

    def __init__(self, folder: Path) -> None:
        self.layer = folder / "layer"
        self._folder = folder / "actors"
        (self.layer / "extensions").mkdir(parents=True)
        self._folder.mkdir()

    def __repr__(self) -> str:
        return f"<Stage {self.journal()!r}>"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the actors need."""
        return {"SNAPBOOT_ACTORS": str(self._folder)}

    def extension(self, name: str, *lives: Steps, executable: bool = True) -> None:
        """Add an external extension of this file name."""
        self._script(name, lives)
        path = self.layer / "extensions" / name
        path.write_text(f"#!{' '.join(PYTHON)}\n{ACTOR.read_text(encoding='utf-8')}")
        path.chmod(0o755 if executable else 0o644)

    def runtime(self, *lives: Steps) -> list[str]:
        """Return the command of a runtime; its part is `runtime`."""
        self._script("runtime", lives)
        return [*PYTHON, str(ACTOR), "runtime"]

    def flag(self, name: str) -> None:
        """Raise a flag that an actor waits for."""
        (self._folder / f"{name}.flag").touch()

    def wait(self, line: str) -> None:
        """Wait until the journal of all has a line, such as `watcher: next -> INVOKE`."""
        self._wait(lambda: line in self.journal(), line)

    def wait_for_telemetry(self, part: str, kind: str) -> None:
        """Wait until a part that subscribed has got an event of a type."""
        self._wait(lambda: kind in [one["type"] for one in self.telemetry(part)], kind)

    def pid(self, part: str) -> int:
        """Return the process that plays a part, or did so last."""
        return int((self._folder / f"{part}.pid").read_text())

    def kill(self, part: str) -> None:
        """Kill the process that plays a part, and wait until its parent knows."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        self._wait(lambda: not _is_known(pid), f"the end of {part}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"waited {DEADLINE_S} s for {what!r}: {self!r}"
            pause.wait(POLL_S)

    def journal(self, part: str | None = None) -> list[str]:
        """Return what a part has done, or without a part what all have, in order."""
        path = self._folder / (f"{part}.journal" if part else "journal")
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def telemetry(self, part: str) -> list[dict[str, Any]]:
        """Return what was delivered to a part that subscribed."""
        path = self._folder / f"{part}.telemetry"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def _script(self, part: str, lives: Sequence[Steps]) -> None:
        (self._folder / f"{part}.json").write_text(json.dumps(lives))


def _is_known(pid: int) -> bool:
    """Tell whether a process is there, be it only to be collected by its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
