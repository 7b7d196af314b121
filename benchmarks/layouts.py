"""Images as folders: a copy of the interpreter, a runtime, and a function that does nothing.

Each has the same interpreter, with a standard library of its own. Ours is laid out as our image is.
AWS's client is laid out with bytecode for everything, which no image can better, and as
AWS's guide lays it on `python:slim` ("Using an alternative base image"): what pip has installed in
another stage, beside a standard library that comes without bytecode. No start writes any, as on
Lambda, where the file system is read-only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bytecode import compile_folder
from benchmarks.contenders import (
    EXECUTION_ENV,
    OURS,
    THEIRS,
    THEIRS_UNPOOLED,
    Contender,
    lay_out_runtime,
    our_version,
    stage_functions,
)
from benchmarks.machine import QUESTION_DEADLINE_S
from oracles import awslambdaric

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.machine import Interpreter

SLIM = "awslambdaric on slim"
OWN_IMAGES = (THEIRS_UNPOOLED, SLIM)
# The parts of each.
PYTHON, RUNTIME, SITE, TASK = "python", "runtime", "site", "task"

WHERE = """
import json, os, sys, sysconfig
shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
names = sysconfig.get_config_vars("LIBDIR", "INSTSONAME")
print(json.dumps({
    "executable": os.path.realpath(sys._base_executable),
    "library": os.path.dirname(os.__file__),
    "shared": os.path.join(*names) if shared else None,
}))
"""
# What images leave out. Bytecode too: each layout makes what it has.
LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test"),
    *("idlelib", "tkinter", "turtledemo", "ensurepip", "config-3.*"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder that stands for an image's root, and what is started in it."""

    contender: Contender
    folder: Path

    @property
    def task_root(self) -> Path:
        """The function's folder, which the runtime is started in."""
        return self.folder / TASK


@dataclass(frozen=True, slots=True)
class Source:
    """The folder of the interpreter that is copied; `shared` is its library, if it has one."""

    executable: str
    library: str
    shared: str | None


def layouts(_bench: Bench) -> tuple[Contender, ...]:
    """Return who is compared, before anything is laid out."""
    module = "python -m awslambdaric"
    return (
        Contender(OURS, our_version(), "bootstrap", ()),
        Contender(THEIRS, awslambdaric.VERSION, module, ()),
        Contender(THEIRS_UNPOOLED, awslambdaric.VERSION, f"env -u {EXECUTION_ENV} {module}", ()),
        Contender(SLIM, awslambdaric.VERSION, module, ()),
    )


def stage_layouts(bench: Bench) -> tuple[Layout, ...]:
    """Lay out every image that is compared, unless this bench has them already."""
    root = bench.scratch / "images"
    source = _source(bench.interpreter)
    if not root.exists():
        for number, contender in enumerate(layouts(bench)):
            _fill(bench.interpreter, source, root / str(number), contender.name)
    return tuple(
        Layout(_in_layout(contender, source, root / str(number)), root / str(number))
        for number, contender in enumerate(layouts(bench))
    )


def _source(interpreter: Interpreter) -> Source:
    answer = subprocess.run(
        [interpreter.path, "-c", WHERE],
        check=True,
        capture_output=True,
        timeout=QUESTION_DEADLINE_S,
    )
    return Source(**json.loads(answer.stdout))


def _fill(interpreter: Interpreter, source: Source, folder: Path, name: str) -> None:
    python = _copied(source, folder / PYTHON)
    copy = replace(interpreter, path=python, installer=interpreter.with_pip)
    stage_functions(copy, folder)
    if name == OURS:
        lay_out_runtime(copy, folder / RUNTIME)
    else:
        shutil.copytree(awslambdaric.folder(str(copy.with_pip)), folder / SITE)
        # pip compares times, and writes bytecode that does.
        compile_folder(
            python, folder / SITE, mode="timestamp" if name == SLIM else "unchecked-hash"
        )
    if name != SLIM:
        compile_folder(python, folder / PYTHON)


def _copied(source: Source, prefix: Path) -> Path:
    """Copy the interpreter and its standard library, without bytecode; return the program."""
    library = Path(source.library)
    shutil.copytree(library, prefix / "lib" / library.name, ignore=LEFT_OUT)
    (prefix / "lib" / library.name / "site-packages").mkdir()
    if source.shared is not None:
        shutil.copy2(source.shared, prefix / "lib")
    (prefix / "bin").mkdir()
    return Path(shutil.copy2(source.executable, prefix / "bin"))


def _in_layout(contender: Contender, source: Source, folder: Path) -> Contender:
    python = folder / PYTHON / "bin" / Path(source.executable).name
    command: tuple[str, ...] = (str(python), "-m", "awslambdaric")
    environment: dict[str, str | None] = {
        "LAMBDA_TASK_ROOT": str(folder / TASK),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if source.shared is not None:
        environment["LD_LIBRARY_PATH"] = str(folder / PYTHON / "lib")
    if contender.name == OURS:
        command = (str(folder / RUNTIME / "bootstrap"),)
    else:
        environment["PYTHONPATH"] = str(folder / SITE)
    if contender.name in OWN_IMAGES:
        environment[EXECUTION_ENV] = None
    return replace(contender, command=command, environment=environment)
