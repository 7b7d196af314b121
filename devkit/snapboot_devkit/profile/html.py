"""The report as one HTML file that loads nothing: waterfall, flame view, and all the page says.

Everything is in the markup, so that it prints, and can be read without scripts; the script is for
the search alone. Whatever a function is called is escaped.
"""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.profile.page import interval, milliseconds, ratio, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TEMPLATE: Final = "page.html"
# Narrower than this share of the init a box is a line without a name.
_NARROWEST: Final = 0.0004
_NAMED: Final = 0.03
_ROW_PX: Final = 20
_MOST_TICKS: Final = 5
# A number to the right of a tick from here on would be outside.
_LAST: Final = 0.9
# Kinds of time, in the order of their bars; each has a colour of its own in the template.
_PARTS: Final = ("find", "unmarshal", "compile", "execute", "library", "collect")


def page(profile: Mapping[str, Any]) -> str:
    """Return the whole page."""
    template = Path(__file__).with_name(_TEMPLATE).read_text("utf-8")
    title = profile["handler"] or "bootstrap"
    body = "\n".join(_sections(profile))
    return template.replace("{{title}}", escape(title)).replace("{{body}}", body)


def _sections(profile: Mapping[str, Any]) -> Iterator[str]:
    python = f"CPython {profile['python']}, " if profile["python"] else ""
    yield f"<h1>{escape(profile['handler'] or 'bootstrap')}</h1>"
    yield (
        f"<p class=sub>From the spawn to the first <code>next</code>. {escape(python)}"
        f"{escape(profile['machine'])}, {escape(profile['started'])}</p>"
    )
    yield from _notices(profile)
    yield from _totals(profile["contenders"])
    if profile["phases"]:
        yield from _phases(profile)
    if profile["lines"]:
        yield from _lines(profile["lines"])
    if profile["modules"]:
        yield from _flame(profile["modules"])
        yield from _waterfall(profile["modules"])
    if profile["distributions"]:
        yield from _distributions(profile["distributions"])
    if profile["advice"]:
        yield from _advice(profile["advice"])
    if profile["cost"]:
        yield from _cost(profile["cost"])
    if cost := profile["instrumentation"]:
        yield (
            f"<p class=sub>Totals are medians of plain runs, with their 95 % intervals. Shares are "
            f"from {cost['runs']} instrumented runs, whose median differs by "
            f"{escape(milliseconds(abs(cost['ms'])))} ({cost['share']:+.1%}).</p>"
        )


def _notices(profile: Mapping[str, Any]) -> Iterator[str]:
    if failure := profile["failure"]:
        where = " > ".join(failure["importing"])
        importing = f"<br>It was importing: {escape(where)}" if where else ""
        printed = f"<pre>{escape(failure['printed'])}</pre>" if failure["printed"] else ""
        yield (
            f"<div class='notice bad'>{escape(failure['contender'])}: {escape(failure['text'])}"
            f"{importing}{printed}</div>"
        )
    for text in profile.get("verdicts", ()):
        yield f"<div class=notice>{escape(text)}</div>"
    for text in (*profile["warnings"], *profile["notes"]):
        yield f"<div class='notice mild'>{escape(text)}</div>"


def _bar(share: float, kind: str = "total") -> str:
    width = max(0.0, min(1.0, share)) * 100
    return f"<span class=track><i class={kind} style='width:{width:.2f}%'></i></span>"


def _head(*columns: tuple[str, str], longest: float) -> str:
    """Return a table's head: its columns' names and classes, and the scale of its bars."""
    scale = f"<span class=scale><span>0</span><span>{milliseconds(longest)}</span></span>"
    cells = (f"<th class='{kind}'>{scale if kind == 'bar' else name}" for name, kind in columns)
    return f"<table><thead><tr>{''.join(cells)}<tbody>"


def _totals(contenders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    longest = max((one["readyMs"]["median"] for one in contenders if one["readyMs"]), default=1)
    yield "<h2>Total</h2><div class=scroll>"
    yield _head(
        *(("runtime", ""), ("", "bar"), ("median (95 % interval)", "n"), ("runs", "n")),
        ("", ""),
        longest=longest or 1,
    )
    for one in contenders:
        found = one["readyMs"]
        share = found["median"] / (longest or 1) if found else 0
        yield (
            f"<tr><th>{escape(one['name'])}<td class=bar>{_bar(share)}<td class=n>"
            f"{escape(interval(found))}<td class=n>{len(one['samples']['readyMs'])}"
            f"<td>{escape(ratio(one))}"
        )
    yield "</table></div>"


def _phases(profile: Mapping[str, Any]) -> Iterator[str]:
    phases = profile["phases"]
    whole = sum(one["ms"] for one in phases if one["key"] != "first_invocation") or 1
    yield "<h2>Phases</h2><div class=scroll>"
    yield _head(("phase", ""), ("", "bar"), ("time", "n"), ("share", "n"), longest=whole)
    for one in phases:
        after = one["key"] == "first_invocation"
        bar = "" if after else _bar(one["ms"] / whole)
        share = "after" if after else f"{one['ms'] / whole:.1%}"
        yield (
            f"<tr><th>{escape(one['name'])}<td class=bar>{bar}"
            f"<td class=n>{milliseconds(one['ms'])}<td class=n>{share}"
        )
        if one["key"] != "function_init":
            continue
        for part in profile["functionInit"]:
            bar = _bar(part["ms"] / whole, f"k-{part['key']}")
            yield (
                f"<tr class=part><th>{escape(part['name'])}<td class=bar>{bar}"
                f"<td class=n>{milliseconds(part['ms'])}<td class=n>{part['ms'] / whole:.1%}"
            )
    yield "</table></div>"


def _lines(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>Statements of your own modules</h2>"
    yield "<p class=sub>Without the imports in them.</p><div class=scroll><table class=lines>"
    for one in lines:
        yield (
            f"<tr><td class=n>{milliseconds(one['ms'])}<th>{escape(one['file'])}:{one['line']}"
            f"<td><code>{escape(one['text'])}</code>"
        )
    yield "</table></div>"


def _of_init(modules: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the imports up to the first `next`, each with its depth."""
    depths: list[int] = []
    for one in modules:
        depths.append(0 if one["parent"] is None else depths[one["parent"]] + 1)
    return [
        (depth, one)
        for depth, one in zip(depths, modules, strict=True)
        if one["when"] != "invocation"
    ]


def _flame(modules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lay the imports out from left to right: what a module imports first, then its own time."""
    whole = sum(
        one["cumulativeMs"] for depth, one in _of_init(modules) if not depth and not one["thread"]
    )
    if not whole:
        return
    boxes: list[str] = []
    ends: dict[int, float] = {}  # where the next import of each level begins
    deepest = 0
    for depth, one in _of_init(modules):
        if one["thread"]:
            continue
        left = ends.get(depth, 0.0)
        ends[depth] = left + one["cumulativeMs"]
        ends[depth + 1] = left
        share = one["cumulativeMs"] / whole
        if share < _NARROWEST:
            continue
        deepest = max(deepest, depth)
        kind = max(_PARTS, key=lambda part: one["partsMs"][part])
        name = escape(one["name"], quote=True)
        tip = f"{name}: {milliseconds(one['cumulativeMs'])}, itself {milliseconds(one['selfMs'])}"
        boxes.append(
            f"<div class='box k-{kind}' data-name='{name.lower()}' title='{tip}' style='left:"
            f"{left / whole:.4%};width:{share:.4%};top:{depth * _ROW_PX}px'>"
            f"{name if share >= _NAMED else ''}</div>"
        )
    yield "<section class=whole><h2>Flame view of the imports</h2>"
    yield _legend()
    yield _axis(whole)
    height = (deepest + 1) * _ROW_PX
    yield f"<div class=flame style='height:{height}px'>{''.join(boxes)}</div></section>"


def _axis(whole: float) -> str:
    """Return the scale above the flame view: round times, five of them or fewer."""
    power = 10.0 ** math.floor(math.log10(whole / _MOST_TICKS))
    step = next(n * power for n in (1, 2, 5, 10) if n * power * _MOST_TICKS >= whole)
    ticks = [number * step / whole for number in range(math.floor(whole / step) + 1)]
    shown = "".join(
        f"<span class='{'last' if share > _LAST else ''}' style='left:{share:.3%}'>"
        f"{at * step:g}</span>"
        for at, share in enumerate(ticks)
    )
    return f"<div class=axis>{shown}</div>"


def _legend() -> str:
    names = {
        "find": "finding and reading",
        "unmarshal": "unmarshalling",
        "compile": "compiling",
        "execute": "executing",
        "library": "shared libraries",
        "collect": "garbage collection",
    }
    shown = "".join(f"<span><i class=k-{key}></i>{name}</span>" for key, name in names.items())
    return f"<p class=legend>{shown}<span>time in ms</span></p>"


def _waterfall(modules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = _of_init(modules)
    longest = max((one["cumulativeMs"] for _, one in rows), default=0) or 1
    yield (
        "<h2>Import waterfall</h2><p class=search><label>Search <input id=search type=search "
        "placeholder='module, distribution, bytecode' autocomplete=off></label> "
        f"<output id=count>{len(rows)} imports</output></p>"
    )
    yield ("<div class=scroll id=waterfall>")
    yield _head(
        *(("module", ""), ("", "bar"), ("cumulative", "n"), ("itself", "n"), ("bytecode", "")),
        *(("size", "n"), ("distribution", ""), ("imported first by", "from")),
        longest=longest,
    )
    for depth, one in rows:
        importer = f"{one['importer']}:{one['line']}" if one["importer"] else ""
        state = one["failure"] or one["bytecode"]
        thread = " (thread)" if one["thread"] else ""
        text = f"{one['name']} {one['distribution']} {state}".lower()
        parts = "".join(
            f"<i class=k-{part} style='width:{one['partsMs'][part] / longest:.3%}'></i>"
            for part in _PARTS
            if one["partsMs"][part] / longest >= _NARROWEST
        )
        rest = (one["cumulativeMs"] - one["selfMs"]) / longest
        below = f"<i class=below style='width:{rest:.3%}'></i>" if rest > 0 else ""
        yield (
            f"<tr data-text='{escape(text, quote=True)}'>"
            f"<th style='--depth:{min(depth, 24)}'>{escape(one['name'])}{thread}"
            f"<td class=bar><span class=track>{parts}{below}</span>"
            f"<td class=n>{milliseconds(one['cumulativeMs'])}"
            f"<td class=n>{milliseconds(one['selfMs'])}"
            f"<td class='s-{escape(state, quote=True)}'>{escape(state)}"
            f"<td class=n>{size(one['bytes'])}<td>{escape(one['distribution'])}"
            f"<td class=from>{escape(importer)}"
        )
    yield "</table></div>"


def _distributions(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    longest = max(one["selfMs"] for one in entries) or 1
    yield "<h2>By distribution</h2><div class=scroll>"
    yield _head(
        *(("distribution", ""), ("", "bar"), ("itself", "n"), ("modules", "n"), ("size", "n")),
        longest=longest,
    )
    for one in entries:
        yield (
            f"<tr><th>{escape(one['name'])}<td class=bar>{_bar(one['selfMs'] / longest)}"
            f"<td class=n>{milliseconds(one['selfMs'])}<td class=n>{one['modules']}"
            f"<td class=n>{size(one['bytes'])}"
        )
    yield "</table></div>"


def _advice(advice: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>What to do, by what it saves at most</h2><ol class=advice>"
    for one in advice:
        warning = f"<br><em>Warning: {escape(one['warning'])}</em>" if one["warning"] else ""
        yield (
            f"<li><b>{milliseconds(one['savesMs'])}</b> {escape(one['text'])}"
            f"<br><code>{escape(one['command'])}</code>{warning}"
        )
    yield "</ol>"


def _cost(costs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = costs[0]
    yield (
        f"<h2>Cost</h2><p class=sub>{first['coldStarts']:,} cold starts a month, "
        f"{escape(first['region'])}, ${first['perGBSecond']:.10f} per GB-second "
        f"({escape(first['asOf'])}; <code>--price</code> overrides it)</p><div class=scroll><table>"
        "<thead><tr><th>runtime<th class=n>memory<th class=n>Init<th class=n>Init, USD"
        "<th class=n>SnapStart cache, USD<th class=n>SnapStart restores, USD<tbody>"
    )
    for one in costs:
        yield (
            f"<tr><th>{escape(one['name'])}<td class=n>{one['memoryMB']} MB"
            f"<td class=n>{one['initMs']} ms<td class=n>{one['initUSD']:.2f}"
            f"<td class=n>{one['snapStartCacheUSD']:.2f}"
            f"<td class=n>{one['snapStartRestoreUSD']:.2f}"
        )
    yield "</table></div>"
