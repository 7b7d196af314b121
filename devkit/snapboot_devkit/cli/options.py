"""What a function runs with: the options that `invoke` and `start` have in common."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from snapboot_devkit import aws_runtime
from snapboot_devkit.cli import arguments
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host import Bandwidth, FunctionConfig, InitializationType
from snapboot_devkit.host.protocol import MAX_PORT
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """The options' values as they were typed; each field is one option."""

    task_root: Annotated[Path, typer.Option(help="The function's code: a folder or a zip.")] = (
        Path()
    )
    layer: Annotated[
        list[Path] | None, typer.Option(help="A layer: a folder or a zip; may be repeated.")
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="K[=V]", help="A variable, or the name of one of yours; may be repeated."
        ),
    ] = None
    env_file: Annotated[
        list[Path] | None,
        typer.Option(help="A file of variables, read as python-dotenv does; may be repeated."),
    ] = None
    memory: Annotated[int, typer.Option(help="The memory size in MB.")] = 128
    timeout: Annotated[float, typer.Option(help="The function's timeout in seconds.")] = 3.0
    python: Annotated[
        str | None, typer.Option(help="The interpreter for the runtime: a name or a path.")
    ] = None
    bootstrap: Annotated[
        str | None, typer.Option(metavar="CMD", help="Any other runtime's command.")
    ] = None
    runtime: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="AWS's managed runtime with its client: python3.13."),
    ] = None
    initialization_type: Annotated[
        Initialization,
        typer.Option(
            metavar="TYPE", help=f"How environments come to be: {', '.join(Initialization)}."
        ),
    ] = Initialization.ON_DEMAND
    max_concurrency: Annotated[
        int | None, typer.Option(help="Events at once per environment (managed instances).")
    ] = None
    no_freeze: Annotated[
        bool, typer.Option("--no-freeze", help="Let environments run between invocations.")
    ] = False
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Read-only code, and a /tmp of each environment's own."),
    ] = False
    cpu_share: Annotated[
        bool, typer.Option("--cpu-share", help="Limit the CPU as Lambda does for the memory size.")
    ] = False
    per_tenant: Annotated[
        bool, typer.Option("--per-tenant", help="Isolate tenants: each has its own environments.")
    ] = False
    stream_url: Annotated[
        bool, typer.Option("--stream-url", help="Let the function URL stream (RESPONSE_STREAM).")
    ] = False
    limit_bandwidth: Annotated[
        bool, typer.Option("--limit-bandwidth", help="Slow streams down to what Lambda grants.")
    ] = False
    any_invocation_id: Annotated[
        bool, typer.Option("--any-invocation-id", help="Take late answers, as Lambda once did.")
    ] = False
    log_level: Annotated[
        str | None, typer.Option(help="The least level of the function's lines (JSON only).")
    ] = None
    log_format: Annotated[LogFormat, typer.Option(help="The form of the log.")] = LogFormat.TEXT
    debug: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=MAX_PORT, help="Wait for a debugger (debugpy) at this port."
        ),
    ] = None

    def config(self, handler: str, **settings: Any) -> FunctionConfig:
        """Return the function that is to run. Raises UsageError and ConfigError."""
        self._check_concurrency()
        starts = self._start()
        return FunctionConfig(
            handler,
            task_root=self.task_root,
            layers=tuple(self.layer or ()),
            timeout_s=self.timeout,
            memory_mb=self.memory,
            env=arguments.variables(self.env or ()),
            env_files=tuple(self.env_file or ()),
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
                raise UsageError(f"--runtime has its own; leave out {name} {value!r}")
        try:
            found = aws_runtime.prepared(self.runtime)
        except PackageError as exc:
            raise UsageError(str(exc)) from exc
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
                "say so by --max-concurrency"
            )
        if self.max_concurrency is not None and not managed:
            raise UsageError(
                f"--max-concurrency {self.max_concurrency} is for managed instances; leave it out, "
                f"or add --initialization-type {Initialization.MANAGED_INSTANCES}"
            )


_INITIALIZATIONS: Final[Mapping[Initialization, InitializationType]] = {
    typed: InitializationType[typed.name] for typed in Initialization
}


def takes_function_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above; it receives them as one argument, `options`.

    One that has a parameter of an option's name has that in its place.
    """
    hints = get_type_hints(FunctionOptions, include_extras=True)
    own = inspect.signature(command, eval_str=True).parameters.values()
    own_names = {parameter.name for parameter in own}
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(FunctionOptions)
        if field.name not in own_names
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        typed = {parameter.name: values.pop(parameter.name) for parameter in shared}
        command(options=FunctionOptions(**typed), **values)

    # Typer reads both; what the command itself is annotated with is told by the first.
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*(parameter for parameter in own if parameter.name != "options"), *shared]
    )
    run.__annotations__ = {}
    return run
