"""The report for a terminal: bars first, so that one look shows where the time goes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MODULES: Final = 25
DISTRIBUTIONS: Final = 10
_LINES: Final = 8
_BAR: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_MIN_WIDTH: Final = 60
# What a line at the top of a module must take to be shown.
_LINE_MS: Final = 1.0


def rendered(profile: Mapping[str, Any], width: int = 100) -> str:
    """Return the whole page."""
    return "\n".join(_sections(profile, max(width, _MIN_WIDTH))) + "\n"


def _sections(profile: Mapping[str, Any], width: int) -> Iterator[str]:
    python = f", CPython {profile['python']}" if profile["python"] else ""
    yield f"{profile['handler'] or 'bootstrap'}: from the spawn to the first next{python}"
    yield ""
    yield from _totals(profile["contenders"])
    if failure := profile["failure"]:
        yield from _failure(failure)
    if profile["phases"]:
        yield from _phases(profile)
    if profile["lines"]:
        yield from _lines(profile["lines"], width)
    if profile["modules"]:
        yield from _waterfall(profile["modules"], width)
    if profile["distributions"]:
        yield from _distributions(profile["distributions"])
    if profile["phases"]:
        yield from _advice(profile["advice"], width)
    if profile["cost"]:
        yield from _cost(profile["cost"], width)
    yield from _footnotes(profile, width)
    yield from (f"verdict: {text}" for text in profile.get("verdicts", ()))


def _wrapped(text: str, width: int, indent: int = 0, first: str | None = None) -> Iterator[str]:
    """Yield a text in lines of the page's width; a word, such as a path, stays whole."""
    yield from textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent if first is None else first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bar(share: float, width: int = _BAR) -> str:
    """Return a bar of a share of the whole, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    text = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return text.ljust(width)


def milliseconds(value: float) -> str:
    """Return a time as it is read with ease: three figures at most."""
    if value >= 99.95:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 9.995 else f"{value:.2f} ms"


def interval(estimate: Mapping[str, Any] | None) -> str:
    """Return a median and its interval."""
    if estimate is None:
        return "-"
    low, high = (milliseconds(estimate[name]).removesuffix(" ms") for name in ("low", "high"))
    return f"{milliseconds(estimate['median'])} ({low}–{high})"  # noqa: RUF001


def ratio(entry: Mapping[str, Any]) -> str:
    """Return how one contender relates to the first."""
    if "ratio" not in entry:
        return ""
    found = entry["ratio"]
    figures = f"{found['median']:.2f} ({found['low']:.2f}–{found['high']:.2f})"  # noqa: RUF001
    return f"{figures} times the first: {found['verdict']}"


def _totals(contenders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    medians = [one["readyMs"]["median"] for one in contenders if one["readyMs"]]
    longest = max(medians, default=1.0) or 1.0
    width = max(len(one["name"]) for one in contenders)
    for one in contenders:
        if one["readyMs"] is None:
            yield f"  {one['name']:{width}}  (no complete run)"
            continue
        shown = bar(one["readyMs"]["median"] / longest)
        count = len(one["samples"]["readyMs"])
        yield (
            f"  {one['name']:{width}}  {shown}  {interval(one['readyMs'])}, {count} runs"
            f"{'  ' if 'ratio' in one else ''}{ratio(one)}"
        )
    for one in contenders:
        if one["functionError"]:
            yield f"  {one['name']}: the first event failed: {one['functionError']}"


def _failure(failure: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"FAILED: {failure['contender']}: {failure['text']}"
    if failure["importing"]:
        yield f"  it was importing: {' > '.join(failure['importing'])}"
    if printed := failure["printed"].strip():
        yield "  the end of what it printed:"
        yield from (f"    {line}" for line in printed.splitlines()[-8:])


def _phases(profile: Mapping[str, Any]) -> Iterator[str]:
    phases, parts = profile["phases"], profile["functionInit"]
    whole = sum(one["ms"] for one in phases if one["key"] != "first_invocation") or 1.0
    rows = [(one["name"], one["ms"], True) for one in phases if one["key"] != "first_invocation"]
    rows += [(f"  {one['name']}", one["ms"], True) for one in parts]
    rows += [(one["name"], one["ms"], False) for one in phases if one["key"] == "first_invocation"]
    width = max(len(name) for name, *_ in rows)
    yield ""
    yield "Phases"
    for name, ms, in_init in rows:
        share = f"{ms / whole:6.1%}" if in_init else " after"
        shown = bar(ms / whole if in_init else 0)
        yield f"  {name:{width}}  {shown}  {milliseconds(ms):>9} {share}"


def _lines(lines: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    shown = [one for one in lines if one["ms"] >= _LINE_MS][:_LINES]
    if not shown:
        return
    yield ""
    yield "Statements of your own modules, without the imports in them"
    for one in shown:
        place = f"{one['file']}:{one['line']}"
        text = f"  {milliseconds(one['ms']):>9}  {place:20}  {one['text']}"
        yield text[:width]


def waterfall(
    modules: Sequence[Mapping[str, Any]], count: int = MODULES
) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the imports that take longest, with their depth, in the order of their beginning.

    An import is shown if its cumulative time is among the largest; what it is imported by is
    larger, and so is there, too.
    """
    during = [place for place, one in enumerate(modules) if one["when"] == "function"]
    ranked = sorted(during, key=lambda place: -modules[place]["cumulativeMs"])
    kept = set(ranked[:count])
    rows = []
    for place in during:
        if place in kept:
            depth, above = 0, modules[place]["parent"]
            while above is not None:
                depth, above = depth + 1, modules[above]["parent"]
            rows.append((depth, modules[place]))
    return rows


def _waterfall(modules: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    rows = waterfall(modules)
    if not rows:
        return
    longest = max(one["cumulativeMs"] for _, one in rows) or 1.0
    total = sum(one["when"] == "function" and not one["failure"] for one in modules)
    names = [f"{'  ' * min(depth, 12)}{one['name']}" for depth, one in rows]
    wide = min(max(map(len, names)), max(24, width - 58))
    yield ""
    yield f"Imports that take longest ({len(rows)} of {total}; --html has all)"
    yield f"  {'':{wide}}  {'':12}  cumulative       self  bytecode"
    for name, (_, one) in zip(names, rows, strict=True):
        shown = name if len(name) <= wide else f"{name[: wide - 1]}…"
        yield (
            f"  {shown:{wide}}  {bar(one['cumulativeMs'] / longest, 12)}"
            f"  {milliseconds(one['cumulativeMs']):>10} {milliseconds(one['selfMs']):>10}"
            f"  {one['failure'] or one['bytecode']}{' (thread)' if one['thread'] else ''}"
        )


def _distributions(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = entries[:DISTRIBUTIONS]
    longest = max(one["selfMs"] for one in shown) or 1.0
    width = max(len(one["name"]) for one in shown)
    yield ""
    yield "By distribution"
    for one in shown:
        yield (
            f"  {one['name']:{width}}  {bar(one['selfMs'] / longest)}"
            f"  {milliseconds(one['selfMs']):>9}  {one['modules']} module"
            f"{'s' * (one['modules'] != 1)}, {size(one['bytes'])}"
        )


def size(count: int | None) -> str:
    """Return a number of bytes as it is read with ease."""
    if count is None:
        return "-"
    if count >= 1 << 20:
        return f"{count / (1 << 20):.1f} MB"
    return f"{count / 1024:.0f} KB" if count >= 1024 else f"{count} B"


def _advice(advice: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    yield ""
    yield "What to do, by what it saves at most"
    if not advice:
        yield "  nothing that saves 1 ms or more was found"
    for one in advice:
        yield from _wrapped(one["text"], width, 13, f"  {milliseconds(one['savesMs']):>9}  ")
        yield f"  {'':9}  try: {one['command']}"
        if one["warning"]:
            yield from _wrapped(f"warning: {one['warning']}", width, 13)


def _cost(costs: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    first = costs[0]
    yield ""
    yield from _wrapped(
        f"Cost of {first['coldStarts']:,} cold starts a month, {first['region']}, "
        f"${first['perGBSecond']:.10f} per GB-second ({first['asOf']}; --price, --region)",
        width,
        2,
        "",
    )
    for one in costs:
        yield (
            f"  {one['name']}, {one['memoryMB']} MB: {one['initMs']} ms of Init cost "
            f"${one['initUSD']:.2f}"
        )
    yield from _wrapped(
        f"SnapStart instead, {first['memoryMB']} MB: ${first['snapStartCacheUSD']:.2f} to keep "
        f"one version cached, ${first['snapStartRestoreUSD']:.2f} to restore it as often",
        width,
        2,
    )


def _footnotes(profile: Mapping[str, Any], width: int) -> Iterator[str]:
    yield ""
    if cost := profile["instrumentation"]:
        more = "longer" if cost["ms"] >= 0 else "less, since the noise is larger"
        yield from _wrapped(
            f"Totals are medians of plain runs, with their 95 % intervals. Shares are from "
            f"{cost['runs']} instrumented runs, which take {milliseconds(abs(cost['ms']))} "
            f"{more} ({cost['share']:+.1%}).",
            width,
        )
    for kind in ("note", "warning"):
        for text in profile[f"{kind}s"]:
            yield from _wrapped(f"{kind}: {text}", width, 2, "")
