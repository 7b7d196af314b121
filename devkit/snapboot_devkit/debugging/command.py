"""A runtime's command, changed so that it runs under debugpy."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_PYTHON: Final = re.compile(r"python[\d.]*t?")
_WITH_VALUE: Final = ("-X", "-W", "--check-hash-based-pycs")
# Without site-packages there is no debugpy: -I and -S would hide them.
_HIDING: Final = str.maketrans("", "", "IS")
_SAFE_PATH: Final = re.compile(r"-[a-zA-Z]*[PI]")
# debugpy warns, at length, of the modules that are frozen into the interpreter.
_FROZEN_MODULES: Final = ("-X", "frozen_modules=off")

_HAS_DEBUGPY: Final = (
    "import sys, importlib.util; sys.exit(not importlib.util.find_spec('debugpy'))"
)
_ANSWER_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Python:
    """A command that starts Python: the interpreter, its options, and what it runs."""

    interpreter: str
    options: tuple[str, ...]
    target: tuple[str, ...]


def debugged(command: Sequence[str], session_port: int, task_root: Path) -> list[str]:
    """Return the command that runs `command` under debugpy and reports to `session_port`.

    Raises ConfigError for one that does not run Python code, or whose interpreter has no debugpy.
    """
    python = _split(command)
    _check_debugpy(python.interpreter, task_root)
    safe_path = any(map(_SAFE_PATH.fullmatch, python.options))
    options = filter(None, map(_visible, python.options))
    reports = (str(_LAUNCHER), str(session_port), str(int(safe_path)))
    return [python.interpreter, *options, *_FROZEN_MODULES, *reports, *python.target]


def _split(command: Sequence[str]) -> _Python:
    words = list(command)
    end = 1
    while end < len(words) and words[end].startswith("-") and words[end] not in ("-m", "-c", "-"):
        end += 2 if words[end] in _WITH_VALUE else 1
    python = _Python(words[0], tuple(words[1:end]), tuple(words[end:]))
    if not _PYTHON.fullmatch(Path(words[0]).name) or python.target[:1] in ((), ("-c",), ("-",)):
        raise ConfigError(
            f"the runtime's command {' '.join(words)!r} cannot be debugged; use one that starts "
            "Python with a file or with -m, or leave --bootstrap out"
        )
    return python


def _visible(option: str) -> str:
    if option.startswith("--") or option[:2] in _WITH_VALUE or not option.startswith("-"):
        return option
    letters = option[1:].translate(_HIDING)
    return f"-{letters}" if letters else ""


def _check_debugpy(python: str, task_root: Path) -> None:
    try:
        asked = subprocess.run(
            [python, "-c", _HAS_DEBUGPY], cwd=task_root, timeout=_ANSWER_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigError(
            f"cannot ask {python!r} for debugpy: {exc}; name an interpreter by --python"
        ) from exc
    if asked.returncode:
        raise ConfigError(
            f"{python!r} has no debugpy; install it with `{python} -m pip install debugpy`, or "
            "name an interpreter that has it by --python"
        )
