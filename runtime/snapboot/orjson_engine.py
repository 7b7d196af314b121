"""orjson as an engine of the codec, if it can be had without harm.

Its C code takes what it imports for granted: a `uuid.py` or `json.py` of the function's, found in
the place of the standard library's, ends the process.
"""

import posix
import sys

from .exact_json import simpler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED = ("Fragment", "JSONDecodeError", "dumps", "loads")


def engine() -> "tuple[Callable[..., object], Callable[..., bytes], type[ValueError]]":
    """Return how to decode, how to encode, and what a refusal to decode raises.

    Raises ImportError when there is no orjson, or none that is safe to import here.
    """
    if "orjson" not in sys.modules:
        shadow = _shadow_of_standard_library()
        if shadow is not None:
            raise ImportError(f"orjson would import {shadow!r} in place of the standard library's")
        if not getattr(sys, "_is_gil_enabled", bool)() and "t" in sys.abiflags:
            raise ImportError("orjson would turn the GIL on, which this build runs without")
    import orjson

    if not all(hasattr(orjson, name) for name in NEEDED):
        raise ImportError(f"{orjson!r} is another module of that name")
    options = (
        orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )

    def encode(value: object) -> bytes:
        return orjson.dumps(value, lambda part: simpler(part, orjson.Fragment), options)

    return orjson.loads, encode, orjson.JSONDecodeError


def _shadow_of_standard_library() -> "str | None":
    """Return a file that comes before the standard library on the path and has a name out of it."""
    for folder in sys.path:
        if folder == sys._stdlib_dir:  # type: ignore[attr-defined]  # noqa: SLF001
            break
        try:
            names = posix.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.partition(".")[0] in sys.stdlib_module_names:
                return f"{folder}/{name}"
    return None
