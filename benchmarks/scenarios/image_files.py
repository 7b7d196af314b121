"""Image files: what an image opens, reads and maps up to the first `GET next`, file by file.

The program itself, and what loads it, are opened by the kernel and in no list: they are the same
in every image.
"""

from __future__ import annotations

import re
import shutil
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.layouts import stage_layouts
from benchmarks.samples import ImageFilesSample
from benchmarks.scenarios.footprint import READY, complete_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.layouts import Layout

ROUNDS: Final = 3
# Descriptors with their paths, and of what is sent as much as shows which request it is.
TRACE: Final = (
    *("-f", "-qq", "-y", "-s", "100"),
    *("-e", "trace=open,openat,read,pread64,mmap,getdents64,sendto,write"),
)
UNFINISHED: Final = " <unfinished ...>"
# open… = 3</path>
_opened = re.compile(r"^open(?:at)?\(.* = \d+<(?P<path>/[^>]*)>$").match
# read(3</path>, …) = 4096, and mmap(NULL, 4096, …, 3</path>, 0x1000) = 0x7f…
_read = re.compile(r"^p?read(?:64)?\(\d+<(?P<path>/[^>]*)>, .* = (?P<count>\d+)$").match
_mapped = re.compile(
    r"^mmap\([^,]+, (?P<count>\d+), .*, \d+<(?P<path>/[^>]*)>, (?P<offset>\w+)\) = 0x"
).match
_listed = re.compile(r"^getdents64\(\d+<(?P<path>/[^>]*)>, .* = \d+$").match


@dataclass(slots=True)
class Touched:
    """What a start did with one file. `mapped_to` is the end of the last page that was mapped."""

    read_bytes: int = 0
    mapped_to: int = 0


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield: none without strace."""
    return min(ROUNDS, bench.plan.runs) if shutil.which("strace") else 0


def measure(bench: Bench) -> Iterator[list[ImageFilesSample]]:
    """Yield each image's files, a few times over, to show that they do not waver."""
    strace = shutil.which("strace")
    staged = stage_layouts(bench)
    for number, source in bench.rounds(rounds(bench)):
        order = source.sample(staged, len(staged))
        yield [_sample(bench, layout, number, strace or "") for layout in order]


def _sample(bench: Bench, layout: Layout, number: int, strace: str) -> ImageFilesSample:
    log = bench.scratch / "strace"
    with (
        chdir(layout.task_root),
        bench.start(layout.contender, under=(strace, *TRACE, "-o", str(log))) as running,
    ):
        text = complete_log(running, log)
    found = sorted(_within(layout, touched(text)).items())
    return ImageFilesSample(
        number,
        layout.contender.name,
        tuple(path for path, _ in found),
        tuple(file.read_bytes for _, file in found),
        tuple(file.mapped_to for _, file in found),
    )


def touched(text: str) -> dict[str, Touched]:
    """Return the files that were opened up to the call that shows readiness; no folders."""
    files: dict[str, Touched] = {}
    folders = set()
    for call in whole_calls(text):
        if any(sign in call for sign in READY):
            break
        if found := _opened(call):
            files.setdefault(found["path"], Touched())
        elif found := _read(call):
            files.setdefault(found["path"], Touched()).read_bytes += int(found["count"])
        elif found := _mapped(call):
            file = files.setdefault(found["path"], Touched())
            file.mapped_to = max(file.mapped_to, int(found["count"]) + int(found["offset"], 16))
        elif found := _listed(call):
            folders.add(found["path"])
    return {path: file for path, file in files.items() if path not in folders}


def whole_calls(text: str) -> Iterator[str]:
    """Yield each call of a log of `strace -f`, put together where another thread came between."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        process, _, call = line.partition(" ")
        call = call.lstrip()
        if call.endswith(UNFINISHED):
            begun[process] = call.removesuffix(UNFINISHED)
        elif call.startswith("<... "):
            yield begun.pop(process, "") + call.partition(" resumed>")[2]
        else:
            yield call


def _within(layout: Layout, files: dict[str, Touched]) -> dict[str, Touched]:
    """Return the files by their paths in the image, mapped no farther than they are long."""
    return {
        path.removeprefix(f"{layout.folder}/"): Touched(
            file.read_bytes, min(file.mapped_to, Path(path).stat().st_size)
        )
        for path, file in files.items()
    }
