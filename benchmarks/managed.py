"""AWS's managed runtime with and without the wrapper layer: all else is the same.

`/var/runtime` has AWS's client and boto3, with bytecode for everything, which AWS's cannot better.
The wrapper's start includes its shell; AWS's own shell script, the same for both, does not count.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmarks.bytecode import compile_folder
from benchmarks.contenders import NO_BYTECODE, RUNTIME, Contender, our_version
from benchmarks.packages import CLIENT, EMPTY, IMPORT, VARIABLES, Function
from oracles import awslambdaric, managed
from snapboot_devkit import aws_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

MANAGED: Final = "managed runtime"
WRAPPED: Final = "managed runtime, wrapped"
FUNCTIONS: Final = tuple(replace(one, requirements=()) for one in (EMPTY, IMPORT, CLIENT))
WRAPPER: Final = "snapboot"


def starts(_bench: Bench) -> tuple[Contender, ...]:
    """Return who is compared, before anything is laid out."""
    script = "python3 /var/runtime/bootstrap.py"
    return (
        Contender(WRAPPED, our_version(), f"/opt/{WRAPPER} {script}", ()),
        Contender(MANAGED, awslambdaric.VERSION, script, ()),
    )


def stage(bench: Bench) -> tuple[Contender, ...]:
    """Lay out /var/runtime and /opt, unless this bench has them already."""
    root = bench.scratch / "managed"
    interpreter = bench.interpreter
    python = interpreter.path.with_name(f"python{interpreter.feature_version}")
    runtime, opt = root / "runtime", root / "opt"
    if not root.exists():
        shutil.copytree(managed.folder(str(interpreter.with_pip)), runtime, ignore=NO_BYTECODE)
        aws_runtime.write_scripts(runtime, f"python{interpreter.feature_version}", str(python))
        shutil.copytree(RUNTIME, opt / f"{WRAPPER}.d", ignore=NO_BYTECODE)
        shutil.copy2(RUNTIME / "snapboot/exec", opt / WRAPPER)
        for folder in (runtime, opt):
            compile_folder(interpreter.path, folder)
    command = (str(python), str(runtime / "bootstrap.py"))
    commands = {WRAPPED: (str(opt / WRAPPER), *command), MANAGED: command}
    environment = {"LAMBDA_RUNTIME_DIR": str(runtime), **VARIABLES}
    return tuple(
        replace(one, command=commands[one.name], environment=environment) for one in starts(bench)
    )


def task_root(bench: Bench, function: Function) -> Path:
    """Return the folder of a function, which imports boto3 from /var/runtime."""
    folder = bench.scratch / "managed" / function.slug
    if not folder.exists():
        folder.mkdir()
        (folder / "app.py").write_text(function.source, encoding="utf-8")
        compile_folder(bench.interpreter.path, folder)
    return folder
