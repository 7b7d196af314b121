"""uv, which chooses and unpacks the wheels of a target platform, and finds interpreters."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

import uv

from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.process import Finished, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Downloads over a slow line included.
_LIMIT_S: Final = 900.0
_MAX_REASON_CHARACTERS: Final = 700
# uv breaks what it says at the width of the terminal.
_COLUMNS: Final = "10000"
_PLAIN: Final = ("--color", "never", "--no-progress")
# What uv says of its work, its bullets, and what everybody concludes.
_NOISE: Final = re.compile(r"^\s*(?:Using |Resolved |Prepared |Downloading |Downloaded |warning: )")
_BULLETS: Final = re.compile(r"^[\s\u00d7│├─╰▶]*(?:(?:error|cause): )?(?:Because )?")
_CONCLUSION: Final = re.compile(r",? we can conclude that your requirements are unsatisfiable\.?")


def uv_run(arguments: Sequence[str], *, cwd: Path | None = None) -> Finished:
    """Run uv with the user's own settings. Raises PackageError when it cannot be run."""
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as exc:
        raise PackageError(f"the program uv is missing ({exc}): pip install uv") from exc
    # An active virtual environment is none of uv's business here.
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    env["COLUMNS"] = _COLUMNS
    return run([program, *arguments, *_PLAIN], limit_s=_LIMIT_S, env=env, cwd=cwd)


def reason(errors: str) -> str:
    """Return what uv says of a failure, cut to the point."""
    lines = [line for line in errors.splitlines() if line.strip() and not _NOISE.match(line)]
    text = ": ".join(_BULLETS.sub("", line).strip() for line in lines)
    text = text.removeprefix("No solution found when resolving dependencies").lstrip(": ")
    text = _CONCLUSION.sub(".", text)
    if len(text) > _MAX_REASON_CHARACTERS:
        return f"{text[:_MAX_REASON_CHARACTERS]}…"
    return text or "uv gave no reason"
