"""Frames of the platform's log descriptor, read back: type, length, time, text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES: Final = 16


class Frame(NamedTuple):
    """One record; `kind` has its level and format, `time_us` is Unix time in microseconds."""

    kind: int
    time_us: int
    text: str


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the frames in `data`, each of which has to be whole."""
    while data:
        kind, length = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        assert kind >> 8 == 0xA55A00, f"no frame starts with {data[:HEAD_BYTES]!r}"
        text, rest = data[HEAD_BYTES : HEAD_BYTES + length], data[HEAD_BYTES + length :]
        assert len(text) == length, f"a frame of {length} bytes was cut to {len(text)}"
        yield Frame(kind, int.from_bytes(data[8:HEAD_BYTES], "big"), text.decode())
        data = rest
