"""Plots of recordings as SVG that needs nothing else: every sample a dot, every median a line."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.contenders import OURS
from benchmarks.estimates import median, quantile
from benchmarks.figures import figures, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

WIDTH_PX = 760
LABEL_PX = 190
MARGIN_PX = 60
ROW_PX = 44
HEAD_PX = 52
FOOT_PX = 36
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


def write(recording: Recording, folder: Path) -> list[Path]:
    """Write a file for each figure of the recording, and return their paths."""
    paths = []
    for figure in figures(recording):
        path = folder / f"{recording.scenario}-{recording.version}-{_slug(figure.name)}.svg"
        path.write_text(plot(figure, recording.version), encoding="utf-8")
        paths.append(path)
    return paths


def plot(figure: Figure, version: str) -> str:
    """Return the SVG of one figure: a row of dots for each contender, on an axis from zero."""
    height = HEAD_PX + ROW_PX * len(figure.values) + FOOT_PX
    shapes = "\n".join((*_axis(figure, height), *_rows(figure)))
    title = escape(f"{figure.name}{f', {figure.unit}' if figure.unit else ''} (Python {version})")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#0f172a">\n'
        f"<title>{title}</title>\n"
        f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="15" font-weight="600">{title}</text>\n'
        f"{shapes}\n</svg>\n"
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
        yield f'<text x="16" y="{middle + 4:.1f}">{escape(contender)}</text>'
        yield from _dots(figure, values, middle, colour)
        x = _x(figure, median(values))
        yield (
            f'<line x1="{x:.1f}" y1="{middle - 15:.1f}" x2="{x:.1f}" y2="{middle + 15:.1f}" '
            f'stroke="{colour}" stroke-width="2"/>'
        )
        yield (
            f'<text x="{x + 6:.1f}" y="{middle - 9:.1f}" font-size="12" font-weight="600" '
            f'fill="{colour}">{shown(median(values))}</text>'
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
