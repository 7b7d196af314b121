"""The interpreter that runs a function: found, asked what it is, and found by its children."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from snapboot_devkit import programs
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.lazy_dataclass import dataclass

# The oldest that the runtime is written for.
MINIMUM: Final = (3, 11)
# By what names a program asks for Python.
NAMES: Final = ("python3", "python")
# What the platform has on the PATH behind the interpreter's own folder.
PLATFORM_PATH: Final = "/usr/local/bin:/usr/bin/:/bin"

_PROGRAM: Final = re.compile(r"python[\d.]*t?")
# `abiflags` is `t` where there is no GIL; folders of packages are named by it.
_QUESTION: Final = (
    "import json, sys; print(json.dumps([sys.executable, sys.implementation.name, "
    "sys.version_info[:2], sys.abiflags]))"
)
_ANSWER_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class LocalInterpreter:
    """A Python program, by its absolute path, and its version as folders are named: `3.14t`."""

    program: Path
    version: str


def find(python: str | None) -> LocalInterpreter:
    """Return the interpreter of a name or a path, or our own. Raises ConfigError.

    A relative path is one from the current folder. What stands in the place of an interpreter, as
    pyenv's shims do, is asked for the one that it starts; of a name, the first that works is taken.
    """
    if python is None:
        return LocalInterpreter(Path(sys.executable), _version(sys.version_info[:2], sys.abiflags))
    refusals = []
    for found in programs.named(python):
        try:
            return _asked(os.path.abspath(found))  # noqa: PTH100 - a link names its environment
        except ConfigError as exc:
            refusals.append(exc)
    if refusals:
        raise refusals[0]
    raise ConfigError(f"python {python!r} is not a program; give its name or path")


def is_python(program: str) -> bool:
    """Tell whether a command starts Python, by its name."""
    return _PROGRAM.fullmatch(Path(program).name) is not None


def is_found(program: Path) -> bool:
    """Tell whether Python's usual names mean `program` with its own folder first on the PATH.

    In /usr/bin `python3` is the system's, whatever other versions are there.
    """
    path = f"{program.parent}:{PLATFORM_PATH}"
    found = [programs.first(name, path) for name in NAMES]
    return found[0] is not None and all(
        one is None or os.path.samefile(one, program)  # noqa: PTH121
        for one in found
    )


def give_names(program: Path, folder: Path) -> Path:
    """Return the interpreter by the first of its usual names, which it has in a new folder."""
    folder.mkdir()
    for usual in NAMES:
        (folder / usual).symlink_to(program)
    return folder / NAMES[0]


@functools.cache
def _asked(program: str) -> LocalInterpreter:
    try:
        done = subprocess.run(
            [program, "-I", "-S", "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=_ANSWER_LIMIT_S,
            check=True,
        )
        executable, implementation, version, flags = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as exc:
        words = str(exc.stderr).strip().rpartition("\n")[2] or f"exit status {exc.returncode}"
        raise _refusal(program, words) from exc
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as exc:
        raise _refusal(program, str(exc)) from exc
    if implementation != "cpython" or tuple(version) < MINIMUM:
        raise _refusal(program, f"it is {implementation} {_version(version, '')}")
    return LocalInterpreter(Path(executable or program), _version(version, flags))


def _refusal(program: str, reason: str) -> ConfigError:
    wanted = ".".join(map(str, MINIMUM))
    return ConfigError(
        f"python {program!r} cannot run the runtime: {reason}; give a CPython from {wanted} up"
    )


def _version(version: tuple[int, int], flags: str) -> str:
    return f"{version[0]}.{version[1]}{'t' if 't' in flags else ''}"
