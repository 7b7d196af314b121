"""A command of Python's, changed so that `probe.py` runs before what it starts."""

from __future__ import annotations

import marshal
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import interpreters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Options of Python's that take a value of their own.
_WITH_VALUE: Final = "WX"
_LONG_WITH_VALUE: Final = frozenset({"--check-hash-based-pycs"})
_SHEBANG_BYTES: Final = 256
# Read by every version of marshal since CPython 2.5.
_MARSHAL_VERSION: Final = 2
_LAUNCHER: Final = """
from time import perf_counter_ns
began = perf_counter_ns()
import marshal, posix, sys
def read(path):
    descriptor = posix.open(path, posix.O_RDONLY)
    content = posix.read(descriptor, 1 << 20)
    posix.close(descriptor)
    return content
folder = __file__.rpartition("/")[0]
_, file, kind, target, *arguments = sys.argv
probe = {"__name__": "snapboot_profile_probe", "__builtins__": __builtins__}
exec(marshal.loads(read(folder + "/probe.code")), probe)
probe["start"](marshal.loads(read(file)), began)
probe["run"](kind, target, arguments, globals())
"""
# Run by the function's interpreter, whose bytecode it is.
_COMPILE: Final = """
import marshal, sys
from _frozen_importlib_external import MAGIC_NUMBER
folder = sys.argv[1]
def code(name):
    with open(f"{folder}/{name}.py", encoding="utf-8") as file:
        return marshal.dumps(compile(file.read(), f"<snapboot profile: {name}>", "exec"))
with open(f"{folder}/launcher.pyc", "wb") as file:
    file.write(MAGIC_NUMBER + bytes([1, 0, 0, 0]) + bytes(8) + code("launcher"))
with open(f"{folder}/probe.code", "wb") as file:
    file.write(code("probe"))
"""


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """What a command runs: the interpreter with its options, then a script, a module or code."""

    python: tuple[str, ...]
    kind: str
    target: str
    arguments: tuple[str, ...]

    @property
    def program(self) -> str:
        """The interpreter."""
        return self.python[0]

    def under(self, launcher: Path, options: Path) -> list[str]:
        """Return the command that loads the probe first."""
        added = (str(launcher), str(options), self.kind, self.target)
        return [*self.python, *added, *self.arguments]


def understood(
    command: Sequence[str], outside: Callable[[str], Path] = Path
) -> PythonCommand | str:
    """Return what a command runs, or the reason why its imports cannot be seen.

    A script is followed to the interpreter that its first line names; `outside` says where a file
    that the function sees is on this machine.
    """
    words = list(command)
    if not interpreters.is_python(words[0]):
        first = _first_line(outside(words[0]))
        if first is None:
            return f"{words[0]!r} is not started by Python: only its totals can be measured"
        named = first.split(None, 1)
        if len(named) > 1 and Path(named[0]).name == "env":
            named = shlex.split(named[1].removeprefix("-S "))
        if not named or not interpreters.is_python(named[0]):
            return f"{words[0]!r} starts {first!r}, which is not Python: only totals are measured"
        words = [*named, *words]
    return _parsed(words) or f"{shlex.join(words)!r} names no script or module to run"


def _first_line(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(_SHEBANG_BYTES)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    return os.fsdecode(head[2:].partition(b"\n")[0]).strip()


def _parsed(words: Sequence[str]) -> PythonCommand | None:
    at = 1
    while at < len(words):
        word = words[at]
        if word in _LONG_WITH_VALUE:
            at += 2
            continue
        if not word.startswith("-") or word == "-":
            if word == "-":
                return None
            return PythonCommand(tuple(words[:at]), "script", word, tuple(words[at + 1 :]))
        at += 1
        if word.startswith("--"):
            continue
        for place, letter in enumerate(word[1:], 1):
            rest = word[place + 1 :]
            if letter in _WITH_VALUE:
                at += 0 if rest else 1
                break
            if letter in "cm":
                if not rest and at >= len(words):
                    return None
                value = rest or words[at]
                options = [f"-{word[1:place]}"] if place > 1 else []
                before = words[: at - 1]
                after = words[at:] if rest else words[at + 1 :]
                kind = "module" if letter == "m" else "code"
                return PythonCommand((*before, *options), kind, value, tuple(after))
    return None


def prepare(
    folder: Path, program: str, run: Callable[[Sequence[str]], tuple[int, str]]
) -> Path | str:
    """Compile the probe by the function's own interpreter; return the launcher, or a reason.

    `run` runs a command where the function will run, and returns its status and what it printed.
    """
    folder.mkdir(exist_ok=True)
    probe = Path(__file__).with_name("probe.py").read_text("utf-8")
    (folder / "probe.py").write_text(probe, "utf-8")
    (folder / "launcher.py").write_text(_LAUNCHER, "utf-8")
    status, printed = run([program, "-I", "-S", "-B", "-c", _COMPILE, str(folder)])
    if status:
        last = printed.strip().rpartition("\n")[2]
        return f"{program!r} cannot compile what measures imports: {last or f'status {status}'}"
    return folder / "launcher.pyc"


def write_options(path: Path, options: Mapping[str, str]) -> Path:
    """Write what the probe is to do."""
    path.write_bytes(marshal.dumps(dict(options), _MARSHAL_VERSION))
    return path
