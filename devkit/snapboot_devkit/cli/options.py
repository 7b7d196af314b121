"""What a function runs with: the options that `invoke` and `start` have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.cli import arguments
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.cli.parser import port
from snapboot_devkit.host import Bandwidth, FunctionConfig, InitializationType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.cli.parser import Parser


class Initialization(StrEnum):
    """How environments come to be, as it is typed."""

    ON_DEMAND = "on-demand"
    PROVISIONED_CONCURRENCY = "provisioned-concurrency"
    SNAP_START = "snap-start"
    MANAGED_INSTANCES = "managed-instances"


class LogFormat(StrEnum):
    """The form of the log, as it is typed."""

    TEXT = "Text"
    JSON = "JSON"


class FunctionOptions:
    """The options' values as they were typed; each field is one option."""

    task_root: Path
    layer: list[Path]
    env: list[str]
    env_file: list[Path]
    memory: int
    timeout: float
    python: str | None
    bootstrap: str | None
    runtime: str | None
    initialization_type: Initialization
    max_concurrency: int | None
    no_freeze: bool
    isolate: bool
    cpu_share: bool
    per_tenant: bool
    stream_url: bool
    limit_bandwidth: bool
    any_invocation_id: bool
    log_level: str | None
    log_format: LogFormat
    debug: int | None

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values by their options' names. Raises KeyError without one of them."""
        for name in self.__annotations__:
            setattr(self, name, values[name])

    def config(self, handler: str, **settings: Any) -> FunctionConfig:
        """Return the function that is to run. Raises UsageError, ConfigError and PackageError."""
        self._check_concurrency()
        starts = self._start()
        return FunctionConfig(
            handler,
            task_root=self.task_root,
            layers=tuple(self.layer),
            timeout_s=self.timeout,
            memory_mb=self.memory,
            env=arguments.variables(self.env),
            env_files=tuple(self.env_file),
            **starts,
            initialization=_INITIALIZATIONS[self.initialization_type],
            max_concurrency=self.max_concurrency,
            # An editor talks to a function also while it has nothing to do.
            freeze=not self.no_freeze and self.debug is None,
            # A managed runtime finds its layers at /opt alone.
            isolate=self.isolate or self.runtime is not None,
            cpu_share=self.cpu_share,
            per_tenant=self.per_tenant,
            stream_url=self.stream_url,
            bandwidth=Bandwidth() if self.limit_bandwidth else None,
            check_invocation_id=not self.any_invocation_id,
            log_level=self.log_level,
            log_format=self.log_format.value,
            **settings,
        )

    def _start(self) -> dict[str, Any]:
        """Return what starts the function: our runtime, a command, or a managed runtime."""
        if self.runtime is None:
            return {"python": self.python, "bootstrap": self.bootstrap}
        for name, value in (("--python", self.python), ("--bootstrap", self.bootstrap)):
            if value is not None:
                raise UsageError(
                    f"--runtime chooses the interpreter and the command; leave out {name} {value!r}"
                )
        from snapboot_devkit import aws_runtime  # noqa: PLC0415 - the packager is part of it

        found = aws_runtime.prepared(self.runtime)
        return {
            "python": str(found.python),
            "bootstrap": found.command,
            "runtime_folder": found.folder,
        }

    def _check_concurrency(self) -> None:
        managed = self.initialization_type is Initialization.MANAGED_INSTANCES
        if managed and self.max_concurrency is None:
            raise UsageError(
                "managed instances need to know how many events an environment takes at once; "
                "give it with --max-concurrency"
            )
        if self.max_concurrency is not None and not managed:
            raise UsageError(
                f"--max-concurrency {self.max_concurrency} is for managed instances; leave it out, "
                f"or add --initialization-type {Initialization.MANAGED_INSTANCES}"
            )


_INITIALIZATIONS: Final[Mapping[Initialization, InitializationType]] = {
    typed: InitializationType[typed.name] for typed in Initialization
}


def declare(parser: Parser, *, memory: bool = True) -> None:
    """Declare the options above; a command may have its own of the `memory`."""
    parser.option(
        "--task-root", "The function's code: a folder or a zip.", type=Path, default=Path()
    )
    parser.several("--layer", "A layer: a folder or a zip; may be repeated.", type=Path)
    parser.several(
        "--env",
        "Set an environment variable; without =V its value comes from your shell. May be repeated.",
        metavar="K[=V]",
    )
    parser.several(
        "--env-file", "A file of variables, read as python-dotenv does; may be repeated.", type=Path
    )
    if memory:
        parser.option("--memory", "The memory size in MB.", type=int, default=128, metavar="MB")
    parser.option(
        "--timeout",
        "The function's timeout in seconds.",
        type=float,
        default=3.0,
        metavar="SECONDS",
    )
    parser.option(
        "--python", "The interpreter for the runtime: a name or a path.", metavar="PYTHON"
    )
    parser.option("--bootstrap", "Run another runtime, by this command.", metavar="CMD")
    parser.option("--runtime", "Run as an AWS managed runtime does: python3.13.", metavar="NAME")
    parser.choice(
        "--initialization-type",
        f"The initialization type: {', '.join(Initialization)}.",
        Initialization,
        metavar="TYPE",
        default=Initialization.ON_DEMAND,
    )
    parser.option(
        "--max-concurrency", "Events at once per environment (managed instances).", type=int
    )
    parser.flag("--no-freeze", "Let environments run between invocations.")
    parser.flag("--isolate", "Read-only code, and a separate /tmp for each environment.")
    parser.flag("--cpu-share", "Limit the CPU as Lambda does for the memory size.")
    parser.flag("--per-tenant", "Isolate tenants: each has its own environments.")
    parser.flag("--stream-url", "Let the function URL stream (RESPONSE_STREAM).")
    parser.flag("--limit-bandwidth", "Slow streams down to what Lambda grants.")
    parser.flag(
        "--any-invocation-id", "Accept a response with any invocation id, as Lambda once did."
    )
    parser.option(
        "--log-level", "The minimum level of the function's log (JSON only).", metavar="LEVEL"
    )
    parser.choice("--log-format", "The log format.", LogFormat, default=LogFormat.TEXT)
    parser.option(
        "--debug", "Wait for a debugger (debugpy) on this port.", metavar="PORT", type=port
    )
