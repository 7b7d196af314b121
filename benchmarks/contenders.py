"""Who is measured, and how each is started.

Every contender gets the same function, the same environment and true bytecode. Each is laid out
as its makers ship it: ours as a folder with `bootstrap` beside the package, AWS's as a package on
`PYTHONPATH`, run as AWS's base images run it.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bytecode import compile_folder
from benchmarks.endpoints import Endpoint, FirstByte, RuntimeAPI
from oracles import awslambdaric, cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.machine import Interpreter

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
RUNTIME = ROOT / "runtime"
# Another interpreter's, or older than its source: it is compiled again for the one measured.
NO_BYTECODE = shutil.ignore_patterns("__pycache__")
# The folder of functions is a package for our tools; as a task root it is not.
NO_PACKAGE = shutil.ignore_patterns("__pycache__", "__init__.py")

OURS = "snapboot"
THEIRS = "awslambdaric"
THEIRS_UNPOOLED = "awslambdaric-unpooled"
FLOOR = "interpreter"
# How tables call them. AWS's client waits for each event in a thread pool made for it from 3.12 on,
# but only when it is said to run in AWS's own image.
TITLES = {THEIRS: f"{THEIRS}, AWS's image", THEIRS_UNPOOLED: f"{THEIRS}, own image"}

# It answers as soon as any program could, then stays, so that its memory can be read.
FIRST_BYTECODE = "import posix; posix.write(1, b'.'); posix.read(1, 1)"
# What AWS's own images set, and own ones do not.
EXECUTION_ENV = "AWS_EXECUTION_ENV"


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One program to measure, equal to itself alone. `shown` is its command as people write it."""

    name: str
    version: str
    shown: str
    command: tuple[str, ...]
    endpoint: Callable[[], Endpoint] = RuntimeAPI
    environment: Mapping[str, str | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Contender {self.name} {self.version}>"

    def start(self, handler: str) -> tuple[str, ...]:
        """Return the command that runs `handler`."""
        return (*self.command, handler)

    @property
    def invokable(self) -> bool:
        """Whether it runs functions at all."""
        return self.endpoint is RuntimeAPI

    def started_with(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return `base` with what this contender changes in it; None removes a variable."""
        merged = {**base, **self.environment}
        return {name: value for name, value in merged.items() if value is not None}


def title(name: str) -> str:
    """Return how tables call a contender."""
    return TITLES.get(name, name)


def stage(interpreter: Interpreter, folder: Path, names: Iterable[str]) -> tuple[Contender, ...]:
    """Lay out the named contenders for `interpreter` below `folder`."""
    return tuple(LAYOUTS[name](interpreter, folder / name) for name in names)


def stage_functions(interpreter: Interpreter, folder: Path) -> Path:
    """Copy the functions that are run, with their bytecode, and return their task root."""
    task_root = folder / "task"
    shutil.copytree(FUNCTIONS, task_root, ignore=NO_PACKAGE)
    compile_folder(interpreter.path, task_root)
    return task_root


def environment(task_root: Path, handler: str, interpreter: Interpreter) -> dict[str, str]:
    """Return what the platform sets for a function, and nothing of this process's own."""
    return {
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": "eu-west-1",
        EXECUTION_ENV: f"AWS_Lambda_python{interpreter.feature_version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/benchmark",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }


def _snapboot(interpreter: Interpreter, folder: Path) -> Contender:
    lay_out_runtime(interpreter, folder)
    return Contender(
        name=OURS,
        version=our_version(),
        shown="bootstrap",
        command=(str(folder / "bootstrap"),),
    )


def lay_out_runtime(interpreter: Interpreter, folder: Path) -> None:
    """Lay out /var/runtime: the bootstrap, the package, what it depends on, and bytecode."""
    shutil.copytree(dependencies(interpreter), folder)
    shutil.copytree(RUNTIME, folder, ignore=NO_BYTECODE, dirs_exist_ok=True)
    compile_folder(interpreter.path, folder)
    bootstrap = folder / "bootstrap"
    _, _, body = (ROOT / "bootstrap").read_text(encoding="utf-8").partition("\n")
    bootstrap.write_text(f"#!{interpreter.path} -SsP\n{body}", encoding="utf-8")
    bootstrap.chmod(0o755)


def _awslambdaric(interpreter: Interpreter, folder: Path) -> Contender:
    shutil.copytree(awslambdaric.folder(str(interpreter.with_pip)), folder)
    compile_folder(interpreter.path, folder)
    (distribution,) = metadata.distributions(name="awslambdaric", path=[str(folder)])
    return Contender(
        name=THEIRS,
        version=distribution.version,
        shown="python -m awslambdaric",
        command=(str(interpreter.path), "-m", "awslambdaric"),
        environment={"PYTHONPATH": str(folder)},
    )


def _awslambdaric_unpooled(interpreter: Interpreter, folder: Path) -> Contender:
    pooled = _awslambdaric(interpreter, folder)
    return replace(
        pooled,
        name=THEIRS_UNPOOLED,
        shown=f"env -u {EXECUTION_ENV} {pooled.shown}",
        environment={**pooled.environment, EXECUTION_ENV: None},
    )


def _bare(interpreter: Interpreter, _folder: Path) -> Contender:
    return Contender(
        name=FLOOR,
        version=interpreter.version,
        shown=f'python -SsP -c "{FIRST_BYTECODE}"',
        command=(str(interpreter.path), "-SsP", "-c", FIRST_BYTECODE),
        endpoint=FirstByte,
    )


def dependencies(interpreter: Interpreter) -> Path:
    """Return a folder of what the distribution depends on, installed once as the image does."""

    def install(folder: Path) -> None:
        options = ("--quiet", "--no-compile", "--only-binary", ":all:", "--target", str(folder))
        cache.pip(interpreter.with_pip, ["install", *options, *_requirements()])

    return cache.entry(f"runtime-dependencies-{interpreter.version}", install)


def _requirements() -> list[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(document["project"]["dependencies"])


def our_version() -> str:
    """Return our version, read from the source: it runs under the measured interpreter only."""
    text = (RUNTIME / "snapboot" / "__init__.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


LAYOUTS: dict[str, Callable[[Interpreter, Path], Contender]] = {
    OURS: _snapboot,
    THEIRS: _awslambdaric,
    THEIRS_UNPOOLED: _awslambdaric_unpooled,
    FLOOR: _bare,
}
