"""What is known of a function before it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Final

from snapboot_devkit import runtime
from snapboot_devkit.host import interpreters, protocol, quotas
from snapboot_devkit.host.bandwidth import Bandwidth
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.identity import Identity
from snapboot_devkit.host.interpreters import LocalInterpreter
from snapboot_devkit.host.lifecycle.rules import EventRules, Rules
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.sources import env_files
from snapboot_devkit.lazy_dataclass import dataclass

# Many more interpreters would be too much for most machines.
CONCURRENCY: Final = 10
# Lambda keeps an environment for some minutes; how many is not documented.
IDLE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """A function and its settings. Raises ConfigError for one that Lambda would refuse.

    Code: `task_root` is a folder or a zip, so is each of `layers`, of which a later one overrides
    an earlier one. `python` is the interpreter for our own runtime; `bootstrap` is any command
    that runs a Runtime API client instead, and `runtime_folder` what LAMBDA_RUNTIME_DIR names.
    Without a `handler` it is the `bootstrap` in the code.

    Limits: `isolate` shows the processes read-only code and a `/tmp` of their own, `cpu_share`
    grants them the part of a CPU that goes with the memory, each where the machine allows it.

    Variables: `env` holds the function's own, which override those in `env_files`; these are read
    at once, and again by `reread` (`file_env` keeps what they hold). `image_env` holds those that
    an image brings along: no limits apply to them, and they override the platform's defaults, such
    as `PATH`.

    Scale: at most `concurrency` environments; `provisioned` of them are initialised at the start
    and stay; one that was idle for `idle_s` seconds goes. On managed instances each takes
    `max_concurrency` events at once. With `per_tenant` no two tenants share an environment.

    With `stream_url` the function's URL sends a response as it comes (`RESPONSE_STREAM`).

    Responses: `bandwidth` limits a streamed one, as Lambda does; without it there is no limit.
    """

    handler: str = ""
    task_root: Path = field(default_factory=Path.cwd)
    timeout_s: float = 3.0
    memory_mb: int = 128
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: Sequence[Path] = ()
    file_env: Mapping[str, str] | None = None
    image_env: Mapping[str, str] = field(default_factory=dict)
    bootstrap: str | Sequence[str] | None = None
    python: str | None = None
    name: str = "test_function"
    layers: Sequence[Path] = ()
    isolate: bool = False
    cpu_share: bool = False
    runtime_folder: Path = Path("/var/runtime")

    initialization: InitializationType = InitializationType.ON_DEMAND
    init_limit_s: float | None = None
    restore_limit_s: float = protocol.RESTORE_LIMIT_S
    check_invocation_id: bool = True
    freeze: bool = True

    concurrency: int = CONCURRENCY
    provisioned: int = 0
    max_concurrency: int | None = None
    per_tenant: bool = False
    stream_url: bool = False
    idle_s: float = IDLE_S
    events: EventRules = field(default_factory=EventRules)
    bandwidth: Bandwidth | None = None

    log_format: str = "Text"
    log_level: str | None = None
    system_log_level: str | None = None

    # How callers know the function; asked for with every invocation.
    identity: Identity = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Settle what follows from other settings, and check all that the platform would check."""
        set_once = partial(object.__setattr__, self)
        set_once("task_root", Path(self.task_root).resolve())
        if self.python is not None:
            # Now, since a relative path is one from the folder that is the current one now.
            set_once("python", str(interpreters.find(self.python).program))
        set_once("layers", tuple(Path(layer).resolve() for layer in self.layers))
        set_once("env_files", tuple(map(Path, self.env_files)))
        if self.file_env is None:
            set_once("file_env", env_files.read(self.env_files))
        if self.initialization is InitializationType.MANAGED_INSTANCES:
            # They know no other.
            set_once("log_format", "JSON")
        if self.initialization in quotas.PROVISIONED:
            set_once("provisioned", self.provisioned or 1)
        region = self.variables.get("AWS_REGION") or self.image_env.get("AWS_REGION")
        set_once("identity", Identity(self.name, region=region or "us-east-1"))
        quotas.check_name(self.name)
        quotas.check_code(self.task_root, self.layers)
        quotas.check_limits(self.timeout_s, self.memory_mb)
        quotas.check_env(self.variables)
        quotas.check_scaling(self)
        quotas.check_managed(self)
        quotas.check_logging(self.log_format, self.log_level, self.system_log_level)
        _ = self.command

    @property
    def variables(self) -> dict[str, str]:
        """The function's own variables, from files and settings."""
        return {**(self.file_env or {}), **self.env}

    def reread(self) -> FunctionConfig:
        """Return the same settings with what the files of variables hold now. Raises ConfigError.

        What can be read once alone, such as a pipe, is not read again.
        """
        again = all(map(Path.is_file, self.env_files))
        return replace(self, file_env=None if again else self.file_env)

    @property
    def rules(self) -> Rules:
        """The settings that the lifecycle depends on."""
        return Rules(
            timeout_s=self.timeout_s,
            init_limit_s=self.init_limit_s or self._usual_init_limit_s,
            restore_limit_s=self.restore_limit_s,
            initialization=self.initialization,
            check_invocation_id=self.check_invocation_id,
            max_concurrency=self.max_concurrency,
            text_log=self.log_format != "JSON",
        )

    @property
    def command(self) -> list[str]:
        """The command that starts the runtime, in the folder of the code. Raises ConfigError."""
        if self.bootstrap is None:
            if not self.handler:
                return _code_command(self.task_root, self.layers)
            return _own_command(self.interpreter)
        if isinstance(self.bootstrap, str):
            words = _split_command(self.bootstrap)
        else:
            words = [str(word) for word in self.bootstrap]
        return [_program(words[0], self.interpreter), *words[1:]]

    @property
    def interpreter(self) -> LocalInterpreter:
        """The Python that runs our own runtime. Raises ConfigError."""
        return interpreters.find(self.python)

    @property
    def python_program(self) -> Path | None:
        """The Python that runs the function, as far as the command names one."""
        program = self.command[0]
        return Path(program) if program[:1] == "/" and interpreters.is_python(program) else None

    @property
    def _usual_init_limit_s(self) -> float:
        if self.initialization is InitializationType.ON_DEMAND:
            return protocol.INIT_LIMIT_S
        return max(protocol.SNAPSTART_INIT_LIMIT_S, self.timeout_s)


def _own_command(interpreter: LocalInterpreter) -> list[str]:
    """Return what starts our runtime, in the one way that there is."""
    try:
        program, *arguments = runtime.find().command(str(interpreter.program))
    except runtime.MissingRuntimeError as exc:
        raise ConfigError(str(exc)) from exc
    # No bytecode goes into the code's folder: on Lambda, where it is read-only, none can.
    return [program, "-B", *arguments]


def _program(word: str, interpreter: LocalInterpreter) -> str:
    """Return the path of a command's program, looked up as where the command was typed.

    The interpreter's folder comes first, so that `python` is that one.
    """
    if "/" in word:
        return word
    import shutil  # noqa: PLC0415 - for a command alone, here and below

    found = shutil.which(
        word, path=f"{interpreter.program.parent}:{os.environ.get('PATH', os.defpath)}"
    )
    return word if found is None else os.path.abspath(found)  # noqa: PTH100 - keeps links


def _split_command(text: str) -> list[str]:
    import shlex  # noqa: PLC0415

    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ConfigError(
            f"bootstrap {text!r} cannot be read as a command: {exc}; write it as in a shell"
        ) from exc
    if not words:
        raise ConfigError("bootstrap is empty; give a command, or leave it out for snapboot's own")
    return words


def _code_command(task_root: Path, layers: Sequence[Path]) -> list[str]:
    """Return the bootstrap in the code; one in a layer is known once it is opened."""
    if _holds(task_root, "bootstrap"):
        return ["./bootstrap"]
    if any(_holds(layer, "bootstrap") for layer in layers):
        return ["/opt/bootstrap"]
    raise ConfigError(
        f"there is no handler, and no 'bootstrap' in {str(task_root)!r} or a layer; "
        "give the handler as module.function"
    )


def _holds(code: Path, name: str) -> bool:
    if code.is_dir():
        return (code / name).is_file()
    from zipfile import BadZipFile, ZipFile  # noqa: PLC0415 - for packed code alone

    try:
        with ZipFile(code) as archive:
            return name in archive.namelist()
    except (OSError, BadZipFile):
        return False
