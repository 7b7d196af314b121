"""What `snapboot profile` does with what was typed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from snapboot_devkit.cli import arguments, exits, handlers, printing
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.quotas import check_limits
from snapboot_devkit.host.streams import STDERR, STDOUT, write_all
from snapboot_devkit.profile import analysis, gate, html, logs, measure, page, prices, speedscope
from snapboot_devkit.profile.target import Contender, ProfiledFunction, can_limit_cpu, cpu_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.cli.options import FunctionOptions

_LAZY: Final = "lazy:"
_IN_IMAGE: Final = "task"
_LAZY_SINCE: Final = "3.15"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """What was typed, besides what every function is run with."""

    handler: str
    against: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    what_if: tuple[str, ...] = ()
    memory: str = "128"
    runs: int | None = None
    warmup: int = 1
    init_limit_s: float = measure.INIT_LIMIT_S
    region: str = prices.DEFAULT_REGION
    price: float | None = None
    cold_starts: int = prices.DEFAULT_COLD_STARTS
    html: Path | None = None
    speedscope: Path | None = None
    fail_above: str | None = None
    baseline: Path | None = None
    logs: tuple[Path, ...] = ()
    as_json: bool = False


def run(asked: ProfileOptions, options: FunctionOptions) -> int:
    """Measure, report, and return the exit status. Raises what `commands` prints."""
    if asked.logs:
        return _read_logs(asked)
    if not asked.handler and options.bootstrap is None:
        raise UsageError("name the handler, such as app.handler, or exported logs by --logs FILE")
    terms = _terms(asked)
    limit = _limit(asked)
    baseline = gate.read_baseline(asked.baseline) if asked.baseline else None
    plan = measure.MeasurementPlan(
        runs=asked.runs,
        warmup=asked.warmup,
        events=tuple(arguments.event_of(text) for text in asked.events),
        init_limit_s=asked.init_limit_s,
        invoke_limit_s=options.timeout,
        instrumented=min(measure.INSTRUMENTED, asked.runs or measure.INSTRUMENTED),
    )
    sizes = _memory_sizes(asked.memory)
    options.memory = sizes[0]
    notes = _of_image(options) + _of_zip(options.task_root)
    config = options.config(asked.handler)
    handlers.check(config)
    with _ended_by_signals(), ProfiledFunction(config) as target, _progress(asked) as progress:
        target.notes += notes
        contenders = _contenders(asked, sizes, options, target)
        measured = measure.measure(target, contenders, plan, progress)
        profile = analysis.document(target, measured, terms)
    judged = [] if limit is None else [gate.against_limit(profile, limit)]
    judged += [] if baseline is None else [gate.against_baseline(profile, baseline)]
    profile["verdicts"] = [one.text for one in judged]
    _print(profile, asked)
    _write_files(profile, asked, judged)
    if profile["failure"]:
        return exits.FUNCTION_ERROR
    # What is certain counts more than what is uncertain.
    statuses = {one.status for one in judged} - {0}
    return min(statuses - {gate.CANNOT_TELL} or statuses, default=0)


def _of_image(options: FunctionOptions) -> list[str]:
    """Take the function out of the folder that `snapboot package --as image` made; say so."""
    folder, function = options.task_root, options.task_root / _IN_IMAGE
    if not ((folder / "Dockerfile").is_file() and function.is_dir()):
        return []
    options.task_root = function
    text = (
        f"{str(folder)!r} is the folder of an image: what it copies to /var/task is profiled as it "
        "is, and `docker build` will add bytecode and a module archive"
    )
    return [text]


def _of_zip(path: Path) -> list[str]:
    """Name what keeps a zip that was made on Windows from working, in Lambda as here."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "\\" in name]
    except (OSError, zipfile.BadZipFile):  # a folder; or it is refused where it is unpacked
        return []
    if not names:
        return []
    text = (
        f"{len(names)} files of {str(path)!r} have backslashes in their names, the first is "
        f"{names[0]!r}: on Linux, and so in Lambda, these do not separate folders; pack it again "
        "by `snapboot package`, or with a program that writes '/'"
    )
    return [text]


def _limit(asked: ProfileOptions) -> float | None:
    try:
        return None if asked.fail_above is None else gate.limit_ms(asked.fail_above)
    except ValueError as exc:
        raise UsageError(f"--fail-above must be a time: {exc}") from None


def _write_files(profile: dict[str, Any], asked: ProfileOptions, judged: list[gate.Judged]) -> None:
    """Write what was asked for beside the page; what cannot be written is said after it."""
    files: list[tuple[Path, str]] = []
    if asked.html is not None:
        files.append((asked.html, html.page(profile)))
    if asked.speedscope is not None:
        files.append((asked.speedscope, json.dumps(speedscope.document(profile))))
    for path, text in files:
        try:
            path.write_text(text, "utf-8")
        except OSError as exc:
            raise UsageError(f"cannot write {str(path)!r}: {exc.strerror}") from exc
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(gate.summary(profile, judged))
        except OSError as exc:
            raise UsageError(f"cannot write the summary {summary!r}: {exc.strerror}") from exc


def _read_logs(asked: ProfileOptions) -> int:
    if asked.handler:
        raise UsageError(f"--logs reads what Lambda has measured; leave out {asked.handler!r}")
    found = logs.document(logs.read_files(asked.logs))
    _write(json.dumps(found, indent=1) if asked.as_json else logs.rendered(found))
    return 0


def _write(text: str) -> None:
    write_all(STDOUT, text.encode("utf-8", "replace").rstrip(b"\n") + b"\n")


def _terms(asked: ProfileOptions) -> analysis.Terms:
    region, price = asked.region, asked.price
    if price is None:
        if prices.per_gb_second(region) is None:
            known = ", ".join(prices.PER_GB_SECOND)
            raise UsageError(
                f"the price in region {region!r} is not known here; give it by --price, or name "
                f"one of {known}"
            )
    elif not 0 < price < 1:
        raise UsageError(
            f"--price {price!r} is not a price in USD per GB-second, such as 0.0000166667"
        )
    arm = platform.machine() in {"aarch64", "arm64"}
    return analysis.Terms(region, asked.cold_starts, price, arm)


def _contenders(
    asked: ProfileOptions, sizes: list[int], options: FunctionOptions, target: ProfiledFunction
) -> list[Contender]:
    """Return what is measured in turn: each runtime and each what-if, at each size."""
    limited = len(sizes) > 1 or options.cpu_share
    if limited and not can_limit_cpu():
        limited = False
        target.notes.append(
            "no CPU quota can be set here (it takes a writable cpu control group of version 1): "
            "every size is measured at full speed; where an init gets no more than its share, "
            "divide by that share (128 MB: 0.07)"
        )
    elif limited:
        target.notes.append(
            "each size has its share of a CPU from the spawn on; Lambda often grants an on-demand "
            "init more"
        )
    command = tuple(target.config.command)
    name = "snapboot" if target.config.bootstrap is None else _named(target.config.command)
    ways: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [(name, command, ())]
    ways += [(text, target.against(text), ()) for text in asked.against]
    ways += [(text, command, (_lazy(text, target),)) for text in asked.what_if]
    found = []
    for size in sizes:
        share = cpu_share(size)
        for shown, words, lazy in ways:
            called = shown if len(sizes) == 1 else f"{shown} at {size} MB"
            cpus = share if limited and share < 1 else None
            found.append(Contender(called, words, size, cpus, lazy))
    return found


def _named(command: list[str]) -> str:
    """Return what a command is called in the report."""
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return command[0].rpartition("/")[2]


def _memory_sizes(text: str) -> list[int]:
    try:
        sizes = [int(word) for word in text.split(",")]
        for size in sizes:
            check_limits(3.0, size)
    except ValueError:
        raise UsageError(
            f"--memory {text!r} is not a list of sizes in MB, such as 128,512,1769"
        ) from None
    except ConfigError as exc:
        raise UsageError(f"--memory {text!r} must be sizes that Lambda has: {exc}") from exc
    return list(dict.fromkeys(sizes))


def _lazy(text: str, target: ProfiledFunction) -> str:
    name = text.removeprefix(_LAZY)
    if name == text or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"--what-if {text!r} is not known; write lazy:NAME, such as lazy:pandas")
    version = target.python_version
    if tuple(int(part) for part in version.rstrip("t").split(".")) < (3, 15):
        raise UsageError(
            f"--what-if {text!r} takes CPython {_LAZY_SINCE}, whose imports can wait for their "
            f"first use (PEP 810), and the function's is {version}: there is no honest way to "
            "measure it there; name one by --python, or move the import and profile again"
        )
    return name


def _print(profile: dict[str, Any], asked: ProfileOptions) -> None:
    if asked.as_json:
        _write(json.dumps(profile, indent=1))
        return
    _write(page.rendered(profile, shutil.get_terminal_size((100, 24)).columns))


@contextmanager
def _progress(asked: ProfileOptions) -> Iterator[Any]:
    """Show what is being done, in one line of a terminal that is gone in the end."""
    if asked.as_json or not printing.is_terminal():
        yield str
        return
    try:
        yield lambda text: write_all(STDERR, f"\r\x1b[K{text}".encode())
    finally:
        write_all(STDERR, b"\r\x1b[K")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a profile as Ctrl-C does: with all processes ended."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, end)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
