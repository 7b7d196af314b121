"""uv, which chooses and unpacks the wheels of a target platform, and finds interpreters."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

import uv

from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.process import Finished, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# Downloads over a slow line included.
_LIMIT_S: Final = 900.0
# A resolver may have hundreds of lines to say; its conclusion stands at the end.
_MAX_LINES: Final = 24
_FIRST_LINES: Final = 4
_MAX_LINE_CHARACTERS: Final = 2_000
# uv breaks what it says at the width of the terminal.
_COLUMNS: Final = "10000"
_PLAIN: Final = ("--color", "never", "--no-progress")
# What uv says of its work, and its bullets.
_NOISE: Final = re.compile(
    r"^\s*(?:Using |Resolved |Prepared |Downloading |Downloaded |Building |Built |warning: )"
)
_BULLETS: Final = re.compile(r"^[\s\u00d7│├─╰▶]*(?:(?:error|cause): )?")
_CONCLUSION: Final = re.compile(r",? we can conclude that your requirements are unsatisfiable\.?")


def uv_run(arguments: Sequence[str], *, cwd: Path | None = None) -> Finished:
    """Run uv with the user's own settings. Raises PackageError when it cannot be run."""
    with uv_started(arguments, cwd=cwd) as finish:
        return finish()


@contextlib.contextmanager
def uv_started(
    arguments: Sequence[str], *, cwd: Path | None = None
) -> Iterator[Callable[[], Finished]]:
    """Start uv; yield what waits for its end. See `process.started`."""
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as exc:
        raise PackageError(f"the program uv is missing ({exc}): pip install uv") from exc
    # An active virtual environment is none of uv's business here.
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    env["COLUMNS"] = _COLUMNS
    command = [program, *arguments, *_PLAIN]
    with started(command, limit_s=_LIMIT_S, env=env, cwd=cwd) as finish:
        yield finish


def reason(errors: str) -> str:
    """Return what uv says of a failure, a line for each sentence of its.

    Of very long reasons the middle is left out, and how much that was is said.
    """
    lines = [line for line in errors.splitlines() if line.strip() and not _NOISE.match(line)]
    lines = [_BULLETS.sub("", line).strip() for line in lines]
    lines = [_CONCLUSION.sub(".", line.removeprefix("Because "))[:_MAX_LINE_CHARACTERS]
             for line in lines
             if line.rstrip(":") != "No solution found when resolving dependencies"]  # fmt: skip
    if len(lines) > _MAX_LINES:
        last = _MAX_LINES - _FIRST_LINES
        left_out = f"… ({len(lines) - _MAX_LINES} lines more)"
        lines = [*lines[:_FIRST_LINES], left_out, *lines[-last:]]
    return "\n".join(lines) or "uv gave no reason"
