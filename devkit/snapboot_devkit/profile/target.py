"""A function as it is measured: its code unpacked, its view of the machine, its ways to start."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from snapboot_devkit.host import interpreters, sources
from snapboot_devkit.host.execution import packaged
from snapboot_devkit.host.sandbox import cgroups, limits, reaper_program
from snapboot_devkit.host.sandbox.child import Spawner
from snapboot_devkit.host.sandbox.environ import SandboxPaths, runtime_environ
from snapboot_devkit.host.sandbox.mount_namespace import TMP, MountNamespace, prepare
from snapboot_devkit.host.sandbox.reaper import Reaper
from snapboot_devkit.profile import distributions, instrumenting
from snapboot_devkit.profile.environment import MeasuredEnvironment
from snapboot_devkit.profile.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from snapboot_devkit.host import FunctionConfig

AWSLAMBDARIC: Final = "awslambdaric"
_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
_LOG_STREAM: Final = "snapboot-profile"
_COMPILE_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Contender:
    """One way of running the function: its name and command, and the memory it is measured at.

    `lazy` names packages whose imports wait for their first use. `cpus` is the share of a CPU that
    it gets, None for all of it.
    """

    name: str
    command: tuple[str, ...]
    memory_mb: int
    cpus: float | None = None
    lazy: tuple[str, ...] = ()


class ProfiledFunction:
    """What is measured, ready to be started again and again. Use it by `with`."""

    def __init__(self, config: FunctionConfig) -> None:
        """Unpack the code and lay out what the function sees. Raises HostError, ProfileError."""
        self.notes: list[str] = []
        self._stack = ExitStack()
        try:
            self._open(config)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, config: FunctionConfig) -> None:
        enter = self._stack.enter_context
        # As it was named, for the commands that are advised.
        self.source = config.task_root
        self._reaper = enter(Reaper())
        self.scratch = Path(tempfile.mkdtemp(prefix="snapboot-profile-")).resolve()
        self._reaper.send(reaper_program.FOLDER, self.scratch)
        self._stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)
        made = self._made
        self.code = enter(sources.prepare(config.task_root, config.layers, made=made))
        self._temporary = self.scratch / "tmp"
        self._temporary.mkdir()
        config = self._settled(config)
        self.namespace = self._mount_namespace(config)
        self.config = self._with_bootstrap_that_runs(config)
        inside = self.namespace.task_root if self.namespace else self.code.task_root
        self._seen = replace(self.config, task_root=inside)
        self.own_names = distributions.own_names(self.code.task_root)
        self._places: dict[float | None, Spawner] = {}
        self.launcher = self._launcher()

    def _made(self, folder: Path) -> None:
        self._reaper.send(reaper_program.FOLDER, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was made."""
        self._stack.close()

    # ---- what the function is run by ---------------------------------------------------------

    def _settled(self, config: FunctionConfig) -> FunctionConfig:
        code = self.code
        own = packaged.bootstrap(code) if config.isolate and config.python is None else None
        if config.bootstrap is None and own:
            config = replace(config, bootstrap=[str(own)])
        elif config.bootstrap is None and not config.handler and code.bootstrap:
            config = replace(config, bootstrap=[str(code.bootstrap)])
        return replace(config, task_root=code.task_root)

    def _mount_namespace(self, config: FunctionConfig) -> MountNamespace | None:
        if not config.isolate:
            return None
        words = (str(config.interpreter.program), *config.command, str(self.scratch))
        needed = [Path(word) for word in words if word[:1] == "/"]
        namespace = prepare(config.task_root, self.code.layer_root, self._temporary, needed)
        if isinstance(namespace, str):
            self.notes.append(namespace)
            return None
        self.notes += namespace.missing
        return namespace

    def _with_bootstrap_that_runs(self, config: FunctionConfig) -> FunctionConfig:
        """Run a package on this machine's interpreter where its own has not its path of Lambda."""
        own = packaged.bootstrap(self.code)
        if own is None or not config.handler or config.python is not None:
            return config
        if self.namespace and own.parent in {self.namespace.task_root, self.namespace.layer_root}:
            return config
        if config.bootstrap in (None, [str(own)]):
            remedy = "" if config.isolate else ", which it gets by --isolate"
            self.notes.append(
                f"the function runs on {str(config.interpreter.program)!r}: the package's own "
                f"interpreter needs {str(own.parent)!r}{remedy}"
            )
            return replace(config, bootstrap=None)
        return config

    @property
    def python(self) -> str | None:
        """The interpreter that runs the function, as far as its command names one."""
        found = instrumenting.understood(self.config.command, self.outside)
        return found.program if isinstance(found, instrumenting.PythonCommand) else None

    @property
    def python_version(self) -> str:
        """The version of that interpreter, such as 3.14t. Raises ConfigError."""
        program = None if self.namespace else self.python
        return interpreters.find(program).version if program else self.config.interpreter.version

    def against(self, text: str) -> tuple[str, ...]:
        """Return the command of another runtime; `awslambdaric` is that of AWS's client."""
        if text == AWSLAMBDARIC:
            python = self.config.interpreter.program
            return (str(python), "-m", AWSLAMBDARIC, self.config.handler)
        return tuple(replace(self.config, bootstrap=text).command)

    def _launcher(self) -> Path | str:
        command = instrumenting.understood(self.config.command, self.outside)
        if isinstance(command, str):
            return command
        return instrumenting.prepare(self.scratch / "probe", command.program, self._run)

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command where the function will run."""
        environ = {"LD_LIBRARY_PATH": self._environ("127.0.0.1:9")["LD_LIBRARY_PATH"]}
        with tempfile.TemporaryFile() as output:
            process = self._spawn(None, command, environ, output.fileno())
            try:
                status = process.wait(_COMPILE_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            output.seek(0)
            return status, output.read().decode("utf-8", "replace")

    # ---- starting ----------------------------------------------------------------------------

    def start(
        self,
        contender: Contender,
        *,
        mode: str | None = None,
        record: Path | None = None,
    ) -> MeasuredEnvironment:
        """Start the function; with a `mode` the probe writes to `record`. Raises ProfileError."""
        self._clear()
        command: Sequence[str] = contender.command
        if mode is not None or contender.lazy:
            command = self._instrumented(contender, mode, record)

        def spawn(
            words: Sequence[str], environ: Mapping[str, str], output: int
        ) -> subprocess.Popen[bytes]:
            return self._spawn(contender.cpus, words, environ, output)

        return MeasuredEnvironment(
            command,
            lambda address: self._environ(address, contender.memory_mb),
            spawn,
            self.scratch / "output",
            started=lambda mark: self._reaper.send(reaper_program.MARK, mark),
        )

    def reason_against_probing(self, contender: Contender) -> str | None:
        """Return why a contender's imports cannot be seen, or None where they can."""
        if isinstance(self.launcher, str):
            return self.launcher
        if wrapper := self.config.env.get(_WRAPPER):
            return f"{_WRAPPER} names {wrapper!r}, which starts the runtime in its own way"
        command = instrumenting.understood(contender.command, self.outside)
        if isinstance(command, str):
            return command
        if command.program != self.python:
            return f"{command.program!r} is another interpreter than the function's"
        return None

    def _instrumented(
        self, contender: Contender, mode: str | None, record: Path | None
    ) -> list[str]:
        command = instrumenting.understood(contender.command, self.outside)
        reason = self.reason_against_probing(contender)
        if reason is not None or isinstance(command, str) or isinstance(self.launcher, str):
            raise ProfileError(f"cannot look into {contender.name!r}: {reason}")
        options = {"lazy": ",".join(contender.lazy)}
        if mode is not None:
            options |= {
                "record": str(record),
                "mode": mode,
                "handler": self.handler_module,
                "task_root": str(self._seen.task_root),
                "own": ",".join(sorted(self.own_names)),
            }
        path = self.scratch / "probe" / f"options-{uuid4().hex}"
        return command.under(self.launcher, instrumenting.write_options(path, options))

    @property
    def handler_module(self) -> str:
        """The module that the handler is in, as it is imported."""
        return self.config.handler.rpartition(".")[0].replace("/", ".")

    def _environ(self, address: str, memory_mb: int | None = None) -> dict[str, str]:
        config = replace(self._seen, memory_mb=memory_mb or self._seen.memory_mb)
        if self.namespace:
            around = SandboxPaths(self.namespace.layer_root)
        else:
            around = SandboxPaths(self.code.layer_root, None, self._temporary)
        return runtime_environ(config, address, _LOG_STREAM, around)

    def _spawn(
        self, cpus: float | None, command: Sequence[str], environ: Mapping[str, str], output: int
    ) -> subprocess.Popen[bytes]:
        words = self.namespace.entering(command) if self.namespace else list(command)
        cwd = (
            self._seen.task_root if self.namespace is None or self.namespace.as_root else Path("/")
        )

        def start() -> subprocess.Popen[bytes]:
            try:
                return subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=cwd,
                    env=dict(environ),
                    start_new_session=True,
                )
            except OSError as exc:
                raise ProfileError(
                    f"cannot start {shlex.join(command)!r} in {str(cwd)!r}: {exc.strerror}"
                ) from exc

        return self._place(cpus).start(start)

    def _place(self, cpus: float | None) -> Spawner:
        """Return the thread that starts processes in the function's view, with a share of a CPU."""
        if cpus not in self._places:
            group = self._group(cpus)

            def join() -> None:
                if group is not None:
                    group.join()
                if self.namespace is not None:
                    self.namespace.join()

            spawner = Spawner(join)
            self._stack.callback(spawner.close)
            self._places[cpus] = spawner
        return self._places[cpus]

    def _group(self, cpus: float | None) -> cgroups.Group | None:
        if cpus is None:
            return None
        wanted = limits.Limits(cpus=cpus, processes=None, files=None)
        group = cgroups.Group(f"snapboot-{uuid4().hex}", wanted, cgroups.homes())
        self._stack.callback(group.close)
        for folder in group.folders:
            self._reaper.send(reaper_program.GROUP, folder)
        group.throttle()
        return group

    def _clear(self) -> None:
        """Give each environment an empty /tmp, but for the folders that others are mounted at."""
        places = {bind[2] for bind in self.namespace.binds} if self.namespace else set()
        for entry in os.scandir(self._temporary):
            if str(TMP / entry.name) in places:
                continue  # to remove it here would unmount it there
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)

    # ---- files -------------------------------------------------------------------------------

    def outside(self, path: str) -> Path:
        """Return where a file that the function sees is on this machine."""
        for place, root in self._mounted():
            if path == str(place) or path.startswith(f"{place}/"):
                return root / path[len(str(place)) :].lstrip("/")
        return self.code.task_root / path if path[:1] != "/" else Path(path)

    def _mounted(self) -> list[tuple[Path, Path]]:
        namespace = getattr(self, "namespace", None)
        if namespace is None:
            return []
        places = [(namespace.task_root, self.code.task_root)]
        if namespace.layer_root and self.code.layer_root:
            places.append((namespace.layer_root, self.code.layer_root))
        return places


def can_limit_cpu() -> bool:
    """Return whether a share of a CPU can be had here for a process that has just been started.

    Version 2 moves a process only once it runs, some 10 ms late: too late for a start.
    """
    return any(home.version == 1 and "cpu" in home.controllers for home in cgroups.homes())


def cpu_share(memory_mb: int) -> float:
    """Return the share of a CPU that goes with a memory size; above one CPU an init has no use."""
    return min(1.0, limits.cpu_share(memory_mb))
