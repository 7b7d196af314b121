"""What `snapboot rehearse` does with what was typed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from snapboot_devkit.cli import arguments, exits, handlers
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.streams import STDOUT, write_all
from snapboot_devkit.rehearse import cost, page, rehearsal
from snapboot_devkit.rehearse.checks import CHECKS
from snapboot_devkit.rehearse.stage import Backend

if TYPE_CHECKING:
    from pathlib import Path

    from snapboot_devkit.cli.options import FunctionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """What was typed, besides what every function is run with."""

    handler: str
    backend: str
    restores: int
    invocations: int
    fresh: int | None
    event: str
    token: str
    ignored: tuple[str, ...]
    restore_ms: float | None
    logs: tuple[Path, ...] = ()
    restore_limit_s: float
    as_json: bool


def run(asked: RehearseOptions, options: FunctionOptions) -> int:
    """Rehearse, report, and return the exit status. Raises what `commands` prints."""
    plan = rehearsal.RehearsalPlan(
        backend=_backend(asked.backend),
        restores=asked.restores,
        invocations=asked.invocations,
        fresh=asked.fresh,
        event=arguments.event_of(asked.event),
        token=_token(asked.token),
        ignored=_ignored(asked.ignored),
        restore_limit_s=_positive("--restore-limit", asked.restore_limit_s),
    )
    known = _known(asked)
    config = replace(options.config(asked.handler), initialization=InitializationType.SNAP_START)
    handlers.check(config)
    held = rehearsal.rehearse(config, plan)
    if asked.as_json:
        text = json.dumps(page.document(held, known), indent=1) + "\n"
    else:
        text = page.rendered(held, known)
    write_all(STDOUT, text.encode("utf-8", "replace"))
    return exits.FUNCTION_ERROR if held.findings else 0


def _known(asked: RehearseOptions) -> cost.Known | None:
    """Return what is known of restores on Lambda, before anything is run."""
    if asked.logs:
        if asked.restore_ms is not None:
            raise UsageError("--restore-ms and --logs both say what a restore takes; leave one out")
        return cost.of_logs(asked.logs)
    if asked.restore_ms is None:
        return None
    return cost.Known(_positive("--restore-ms", asked.restore_ms))


def _backend(text: str) -> Backend:
    try:
        return Backend(text)
    except ValueError:
        raise UsageError(f"--backend {text!r} is not one of {', '.join(Backend)}") from None


def _ignored(names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name not in CHECKS:
            raise UsageError(f"--ignore {name!r} is not a check; it can be {', '.join(CHECKS)}")
    return frozenset(names)


def _token(text: str) -> str:
    parts = text.split(".")
    if text and not (len(parts) > 1 and all(map(str.isidentifier, parts))):
        raise UsageError(f"--token {text!r} must be a module and a name in it, such as app.make_id")
    return text


def _positive(option: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise UsageError(f"{option} {value:g} must be more than 0")
    return value
