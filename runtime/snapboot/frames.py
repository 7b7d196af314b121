"""A traceback as frames and as text, in the form of the standard library's `traceback`.

Not by it: importing it takes 8 ms at a function's first error, and fails where the function has a
module named like one of the twenty it needs.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

    # File, line, function, and the source of the line, "" if it cannot be had.
    Frame = tuple[str, int, str, str]

# As `traceback` has it: this many of the same frame in a row, then their count.
MAX_REPEATED = 3


def frames_of(trace: "TracebackType | None") -> "list[Frame]":
    """Return the frames of a traceback, outermost first, without our own at the top."""
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    frames = []
    sources: dict[str, list[str]] = {}
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename not in sources:
            sources[code.co_filename] = _source(trace.tb_frame)
        lines = sources[code.co_filename]
        line = trace.tb_lineno or 0
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        frames.append((code.co_filename, line, code.co_name, text))
        trace = trace.tb_next
    return frames


def formatted(frames: "list[Frame]") -> "Iterator[str]":
    """Yield the entries of a stack as `traceback.format_list` has them."""
    last = None
    repeated = 0
    for path, line, name, text in frames:
        if last != (path, line, name):
            yield from _repetition(repeated)
            last = path, line, name
            repeated = 0
        repeated += 1
        if repeated <= MAX_REPEATED:
            source = f"    {text}\n" if text else ""
            yield f'  File "{path}", line {line}, in {name}\n{source}'
    yield from _repetition(repeated)


def _repetition(repeated: int) -> "Iterator[str]":
    further = repeated - MAX_REPEATED
    if further > 0:
        yield f"  [Previous line repeated {further} more time{'s' if further > 1 else ''}]\n"


def _source(frame: "FrameType") -> list[str]:
    """Return the lines of a frame's file, from wherever its module was loaded."""
    path = frame.f_code.co_filename
    loader = frame.f_globals.get("__loader__")
    try:
        data = loader.get_data(path)  # type: ignore[union-attr]
        return str(data, _encoding(data), "replace").split("\n")
    except Exception:  # a loader of whatever kind, a file that is gone, code that has none
        return []


def _encoding(source: bytes) -> str:
    """Return the encoding that a source declares in its first two lines (PEP 263)."""
    for line in source.split(b"\n", 2)[:2]:
        comment = line.partition(b"#")[2]
        declared = comment.partition(b"coding")[2]
        if declared[:1] in (b":", b"="):
            return declared[1:].split()[0].decode("ascii")
    return "utf-8"
