"""Where the samples were taken: machine, interpreter, commit. No path and no host name."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

QUESTION_DEADLINE_S = 30
RESULTS = "benchmarks/results"
ROOT = Path(__file__).resolve().parent.parent

# Run in the interpreter to be measured. Build options are named one by one: all of them together
# would contain the paths of the machine that built it.
DESCRIBE = """
import glob, json, os, platform, sys, sysconfig
base = os.path.realpath(sys._base_executable)
builder = "pyenv" if "/.pyenv/" in base else "uv" if "/uv/python/" in base else "other"
if base.startswith("/usr/bin/"):
    try:
        builder = platform.freedesktop_os_release()["ID"].capitalize()
    except (OSError, KeyError):
        builder = "system"
packages = set(map(sysconfig.get_path, ("purelib", "platlib")))
options = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps({
    "version": platform.python_version(),
    "feature_version": "%d.%d" % sys.version_info[:2],
    "implementation": platform.python_implementation(),
    "builder": builder,
    "compiler": platform.python_compiler(),
    # Debian's rules run the profile-guided build by a target of make, which no option shows.
    "optimised": "--enable-optimizations" in options or builder in ("Debian", "Ubuntu"),
    "lto": "--with-lto" in options,
    "debug": hasattr(sys, "gettotalrefcount"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "pth_files": sorted(
        os.path.basename(path) for folder in packages for path in glob.glob(folder + "/*.pth")
    ),
}))
"""


class InterpreterError(Exception):
    """What --python names is no interpreter that runs; name another."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer, as far as it bears on the figures."""

    system: str
    architecture: str
    processor: str
    cpus: int


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter that runs every contender. Its `pth_files` may run code at each start.

    `builder` is who built it: a distribution, by its name, pyenv, uv, or other.
    """

    path: Path
    version: str
    feature_version: str
    implementation: str
    builder: str
    compiler: str
    optimised: bool
    lto: bool
    debug: bool
    free_threaded: bool
    pth_files: list[str]
    # One of the same version that has pip, when `path` has none.
    installer: Path | None = None

    @property
    def with_pip(self) -> Path:
        """The interpreter to install packages with."""
        return self.installer or self.path

    def public(self) -> dict[str, Any]:
        """Return what is recorded: all but the paths."""
        private = ("path", "installer")
        return {name: getattr(self, name) for name in self.__slots__ if name not in private}


@dataclass(frozen=True, slots=True)
class Commit:
    """The state of the checkout: its commit, and whether files differ from it."""

    id: str | None
    modified: bool


def this_machine() -> Machine:
    """Describe the computer that runs this."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        processor=_processor(),
        cpus=os.cpu_count() or 1,
    )


def interpreter_at(path: Path) -> Interpreter:
    """Describe the interpreter at `path` by asking it. Raises `InterpreterError`."""
    try:
        answer = subprocess.run(
            [path, "-c", DESCRIBE],
            check=True,
            capture_output=True,
            timeout=QUESTION_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"cannot ask the interpreter {str(path)!r} what it is ({error}); see --python"
        raise InterpreterError(msg) from error
    return Interpreter(path=path, **json.loads(answer.stdout))


def bare(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Return the interpreter as a virtual environment in `folder`, without a single package.

    What is in an interpreter's site-packages, a `.pth` file above all, may take longer at each
    start than what is measured, and says nothing about a contender.
    """
    make: list[str | Path] = [interpreter.path, "-m", "venv", "--without-pip", folder]
    subprocess.run(make, check=True, timeout=QUESTION_DEADLINE_S)
    return replace(interpreter_at(folder / "bin" / "python"), installer=interpreter.path)


def this_commit() -> Commit:
    """Return which commit of the project is measured; its id is None where git cannot say.

    The recordings themselves do not count as files that differ from it.
    """
    identity = _git("rev-parse", "--verify", "--quiet", "HEAD")
    return Commit(
        identity or None, modified=bool(_git("status", "--porcelain", "--", ".", f":!{RESULTS}"))
    )


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the git of the user's PATH is the one meant
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=QUESTION_DEADLINE_S,
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()


def _processor() -> str:
    """Return the processor's name; Linux keeps it in a file that `platform` does not read."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
