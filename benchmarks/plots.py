"""Plots of recordings as SVG that needs nothing else: every sample a dot, every median a line.

The band around a median is its 95 % interval. Samples that drift or fall into two groups have no
median to draw.
"""

from __future__ import annotations

import textwrap
from math import ceil, floor, log10
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks import warn
from benchmarks.contenders import OURS, title
from benchmarks.estimates import median, quantile
from benchmarks.figures import figures, shown
from benchmarks.tables import DASH, provenance
from snapboot_devkit.profile.statistics import estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

WIDTH_PX = 760
LABEL_PX = 215
MARGIN_PX = 60
ROW_PX = 44
HEAD_PX = 52
FOOT_PX = 36
NOTE_PX = 14
NOTE_CHARACTERS = 130
# A label that begins nearer to the edge would not end before it.
LABELS_END_PX = 190
MOST_TICKS = 6
# The steps of an axis are these times a power of ten.
STEPS = (1, 2, 5, 10)
# Dots of one row are spread over this many lanes, so that equal samples do not hide each other.
LANES = 7
LANE_PX = 3.2
# A few far outliers must not press all else against the axis; they are drawn at its end.
AXIS_SHARE = 0.98
COLOURS = {OURS: "#c2410c"}
OTHER_COLOUR = "#475569"


def write_all(recordings: Iterable[Recording], folder: Path) -> None:
    """Write every plot of the recordings, and remove those of figures that they have no more."""
    taken = list(recordings)
    written = {path for recording in taken for path in write(recording, folder)}
    for recording in taken:
        for path in {*of(recording, folder)} - written:
            path.unlink()


def of(recording: Recording, folder: Path) -> list[Path]:
    """Return the plots in a folder that are the recording's by their names."""
    return [*folder.glob(f"{recording.stem}-*.svg")]


def write(recording: Recording, folder: Path) -> list[Path]:
    """Write a file for each figure of the recording, and return their paths."""
    paths = []
    for figure in figures(recording):
        path = folder / f"{recording.stem}-{_slug(figure.name)}.svg"
        path.write_text(plot(figure.readable(), recording), encoding="utf-8")
        paths.append(path)
    return paths


def plot(figure: Figure, recording: Recording) -> str:
    """Return the SVG of one figure: a row of dots for each contender, on an axis from zero.

    Below are where and how it was measured, and the recording's warnings.
    """
    rows_end = HEAD_PX + ROW_PX * len(figure.values) + FOOT_PX
    notes = list(_notes(recording))
    height = rows_end + NOTE_PX * len(notes) + NOTE_PX
    shapes = "\n".join((*_axis(figure, rows_end), *_rows(figure), *_lines(notes, rows_end)))
    unit = f", {figure.unit}" if figure.unit else ""
    heading = escape(f"{figure.name}{unit} (Python {recording.version})")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#0f172a">\n'
        f"<title>{heading}</title>\n"
        f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="15" font-weight="600">{heading}</text>\n'
        f"{shapes}\n</svg>\n"
    )


def _notes(recording: Recording) -> Iterator[str]:
    for text in (provenance(recording), *(f"Warning: {one}." for one in warn.of(recording))):
        yield from textwrap.wrap(text.replace("`", ""), NOTE_CHARACTERS)


def _lines(notes: Sequence[str], top: int) -> Iterator[str]:
    for number, text in enumerate(notes, 1):
        yield (
            f'<text x="16" y="{top + NOTE_PX * number}" font-size="10" fill="#475569">'
            f"{escape(text)}</text>"
        )


def _axis(figure: Figure, height: int) -> Iterator[str]:
    low, high = _range(figure)
    step = _step(high - low)
    for number in range(ceil(low / step), floor(high / step) + 1):
        value = number * step
        x = _x(figure, value)
        yield (
            f'<line x1="{x:.1f}" y1="{HEAD_PX - 8}" x2="{x:.1f}" y2="{height - FOOT_PX}" '
            'stroke="#e2e8f0"/>'
        )
        yield (
            f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle" fill="#64748b">'
            f"{shown(value)}</text>"
        )


def _step(length: float) -> float:
    """Return the least round step that needs no more than `MOST_TICKS` for this length."""
    power = 10.0 ** floor(log10(length / MOST_TICKS))
    return next(step * power for step in STEPS if step * power * MOST_TICKS >= length)


def _rows(figure: Figure) -> Iterator[str]:
    for number, (contender, values) in enumerate(figure.values.items()):
        middle = HEAD_PX + ROW_PX * (number + 0.5)
        colour = COLOURS.get(contender, OTHER_COLOUR)
        yield f'<text x="16" y="{middle + 4:.1f}">{escape(title(contender))}</text>'
        yield from _dots(figure, values, middle, colour)
        if flaw := figure.flaw(contender):
            at = LABEL_PX + 6 if _x(figure, median(values)) > WIDTH_PX / 2 else WIDTH_PX / 2
            yield _label(at, middle, colour, f"{flaw}: no one median; n {len(values)}")
        else:
            yield from _median(figure, values, middle, colour)


def _median(figure: Figure, values: Sequence[float], middle: float, colour: str) -> Iterator[str]:
    """Draw the median as a line and its interval as a band, and write both with their count."""
    found = estimate(values)
    low, x, high = (_x(figure, value) for value in (found.low, found.value, found.high))
    yield (
        f'<rect x="{low:.1f}" y="{middle - 13:.1f}" width="{max(high - low, 1):.1f}" height="26" '
        f'fill="{colour}" fill-opacity="0.15"/>'
    )
    yield (
        f'<line x1="{x:.1f}" y1="{middle - 15:.1f}" x2="{x:.1f}" y2="{middle + 15:.1f}" '
        f'stroke="{colour}" stroke-width="2"/>'
    )
    ends = f" ({shown(found.low)}{DASH}{shown(found.high)})" if found.certain else ""
    yield _label(x, middle, colour, f"{shown(found.value)}{ends}, n {len(values)}")


def _label(x: float, middle: float, colour: str, text: str) -> str:
    beyond = x > WIDTH_PX - LABELS_END_PX
    return (
        f'<text x="{x - 6 if beyond else x + 6:.1f}" y="{middle - 9:.1f}" font-size="12" '
        f'font-weight="600" text-anchor="{"end" if beyond else "start"}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _dots(figure: Figure, values: Sequence[float], middle: float, colour: str) -> Iterator[str]:
    for number, value in enumerate(values):
        y = middle + (number % LANES - LANES // 2) * LANE_PX
        yield (
            f'<circle cx="{_x(figure, value):.1f}" cy="{y:.1f}" r="2" fill="{colour}" '
            'fill-opacity="0.35"/>'
        )


def _range(figure: Figure) -> tuple[float, float]:
    """Return the ends of the axis: zero is on it, so that lengths compare as the figures do."""
    low = min(0.0, *(min(values) for values in figure.values.values()))
    high = max(quantile(values, AXIS_SHARE) for values in figure.values.values())
    return low, high if high > low else low + 1


def _x(figure: Figure, value: float) -> float:
    low, high = _range(figure)
    share = (min(value, high) - low) / (high - low)
    return LABEL_PX + share * (WIDTH_PX - LABEL_PX - MARGIN_PX)


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name).split()).lower()
