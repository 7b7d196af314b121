"""Verdicts for CI: against a limit, and against what was measured before."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.profile import statistics
from snapboot_devkit.profile.errors import ProfileError
from snapboot_devkit.profile.page import interval, milliseconds
from snapboot_devkit.profile.statistics import Estimate, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SLOWER: Final = 3
CANNOT_TELL: Final = 4
TOO_SLOW: Final = 5
_UNITS_MS: Final = {"ms": 1.0, "s": 1000.0, "": 1.0}
_LIMIT: Final = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|)")
_ADVICE: Final = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict in words, and the exit status that goes with it."""

    text: str
    status: int


def limit_ms(text: str) -> float:
    """Return a limit in ms: `150ms`, `1.5s` or a number of ms. Raises ValueError."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is not a time, such as 150ms or 1.5s")
    return float(match[1]) * _UNITS_MS[match[2]]


def against_limit(profile: Mapping[str, Any], limit: float) -> Judged:
    """Judge the median: too slow only if its whole interval is beyond the limit."""
    found = profile["contenders"][0]["readyMs"]
    if found is None:
        return Judged("too slow: there is no complete run", TOO_SLOW)
    shown, most = interval(found), milliseconds(limit)
    if found["median"] <= limit:
        return Judged(f"within the limit: {shown} of {most}", 0)
    if found["certain"] and found["low"] <= limit:
        return Judged(f"cannot tell: {shown} is around the limit of {most}", CANNOT_TELL)
    return Judged(f"too slow: {shown} is beyond the limit of {most}", TOO_SLOW)


def read_baseline(path: Path) -> list[float]:
    """Return the samples of what `--json` printed earlier. Raises ProfileError."""
    try:
        document = json.loads(path.read_bytes())
        samples = [float(one) for one in document["contenders"][0]["samples"]["readyMs"]]
    except OSError as exc:
        raise ProfileError(f"cannot read the baseline {str(path)!r}: {exc.strerror}") from exc
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise ProfileError(
            f"the baseline {str(path)!r} is not what 'snapboot profile --json' prints"
        ) from exc
    if not samples or min(samples) <= 0:
        raise ProfileError(f"the baseline {str(path)!r} has no samples; measure it again")
    return samples


def against_baseline(profile: Mapping[str, Any], baseline: list[float]) -> Judged:
    """Judge by the interval of the ratio of medians: slower, faster, or cannot tell."""
    samples = profile["contenders"][0]["samples"]["readyMs"]
    if not samples:
        return Judged("cannot tell: there is no complete run", CANNOT_TELL)
    ratio = statistics.ratio_of_medians(samples, baseline)
    verdict = statistics.verdict(ratio)
    status = {Verdict.FASTER: 0, Verdict.SLOWER: SLOWER, Verdict.CANNOT_TELL: CANNOT_TELL}[verdict]
    if verdict is Verdict.CANNOT_TELL and _is_the_same(ratio):
        status = 0  # known to be no slower than what could matter
    return Judged(f"{verdict.value}: {_shown(ratio)} times the baseline", status)


def _is_the_same(ratio: Estimate) -> bool:
    """Return whether a change that matters is excluded: the interval is within 5 % of 1."""
    return ratio.certain and ratio.high <= 1.05


def _shown(ratio: Estimate) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"  # noqa: RUF001


def summary(profile: Mapping[str, Any], judged: list[Judged]) -> str:
    """Return the profile as Markdown for a GitHub step summary."""
    return "\n".join(_summary(profile, judged)) + "\n"


def _summary(profile: Mapping[str, Any], judged: list[Judged]) -> Iterator[str]:
    yield f"### snapboot profile `{_text(profile['handler'])}`"
    yield ""
    yield from (f"**{_text(one.text)}**  " for one in judged)
    yield from ("", "| runtime | to the first next | runs |", "| --- | ---: | ---: |")
    for one in profile["contenders"]:
        count = len(one["samples"]["readyMs"])
        yield f"| {_text(one['name'])} | {interval(one['readyMs'])} | {count} |"
    if profile["phases"]:
        yield from ("", "| phase | time |", "| --- | ---: |")
        parts = [(one["name"], one["ms"]) for one in profile["phases"]]
        parts += [(f"– {one['name']}", one["ms"]) for one in profile["functionInit"]]  # noqa: RUF001
        yield from (f"| {name} | {milliseconds(ms)} |" for name, ms in parts)
    for one in profile["advice"][:_ADVICE]:
        yield ""
        yield f"- up to {milliseconds(one['savesMs'])}: {_text(one['text'])}: `{one['command']}`"
    if failure := profile["failure"]:
        yield from ("", f"**Failed**: {_text(failure['text'])}")
    yield from ("", *(f"> {_text(one)}  " for one in profile["warnings"]))


def _text(text: str) -> str:
    """Return a text that Markdown takes as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
