"""JSON both ways, lossless, and with the same outcome whichever engine does the work.

Two engines. The C functions behind the standard library's `json` cost nothing to import. `orjson`
is faster, 2 times in decoding and 8 to 12 in encoding, but its import pulls in `dataclasses`,
`inspect`, `uuid` and `json`: 20 ms. So we rent until we have paid the price, then buy: each payload
of some size that the slower engine handles is charged with the time orjson would have saved.

What an engine cannot do as AWS's runtime does (or better, where that one fails) goes to
`exact_json.py`, which is slow and complete: named tuples, `Decimal`, `NaN`, keys that are `bytes`.
Whichever encodes, the JSON means the same.
"""

import sys
from _json import encode_basestring, make_encoder, make_scanner
from marshal import dumps

from .api import BYTES_TYPE, JSON_TYPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .api import StreamedResult

# What orjson saves per byte against the other engine, and what its import costs (nanoseconds);
# measured on CPython 3.13 with payloads of 1 KB to 5 MB. Their ratio is what matters.
ORJSON_IMPORT_NS = 20_000_000
DECODE_SAVING_NS = 5
ENCODE_SAVING_NS = 15
EXACT_SAVING_NS = 40

# Up to here a payload is never charged: the microsecond saved is not worth 4 MB of memory for good,
# nor to one caller the wait for the import.
SMALL_BYTES = 4096

# What orjson imports. With these there already it costs less than 1 ms.
ORJSON_NEEDS = ("dataclasses", "inspect", "json", "uuid")

# orjson makes a float of an integer beyond 64 bits, which has 19 digits or more.
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19

# Types with one of these are awaited or streamed, and never handed to a function's own encoder.
RESOLVED_FIRST = ("__await__", "__next__", "__anext__", "__lambda_response__")

# The version of marshal's format from which on ASCII text is copied as it is, not encoded: half the
# instructions, by `benchmarks counts`. Objects met before become references.
COPYING_ASCII = 4

_SCALARS = frozenset((str, int, bool, type(None), float))


class Codec:
    """Decodes events and encodes results; `loads` and `dumps`, when set, are the user's own."""

    __slots__ = ("_credit_ns", "_engine", "dumps", "loads")

    def __init__(self) -> None:
        self.loads: Callable[[bytes | bytearray], Any] | None = None
        self.dumps: Callable[[Any], str | bytes] | None = None
        # orjson's side, once bought: how to decode, to encode, and what it raises on refusal.
        self._engine: tuple[Any, Any, type[ValueError]] | None = None
        self._credit_ns = ORJSON_IMPORT_NS

    def __repr__(self) -> str:
        return f"<Codec with {'orjson' if self._engine else '_json'}, {self._credit_ns} ns left>"

    def settle(self, choice: str) -> None:
        """Choose the engine by `SNAPBOOT_JSON` and, for "auto", by what the function has loaded.

        Raises ImportError when orjson is asked for and cannot be had.
        """
        if choice == "stdlib":
            self._engine = None
            self._credit_ns = sys.maxsize
        elif choice == "orjson":
            try:
                self._bind()
            except ImportError as exc:
                raise ImportError(
                    f"SNAPBOOT_JSON is 'orjson', which cannot be imported: {exc}"
                ) from exc
        elif "orjson" in sys.modules or all(map(sys.modules.__contains__, ORJSON_NEEDS)):
            self._buy()

    def decode(self, data: "bytes | bytearray") -> "Any":
        """Return what the JSON text means: integers of any size, lone surrogates, as they are.

        Raises ValueError or RecursionError, as `json` does, and on `NaN`, which is not JSON.
        """
        if self.loads is not None:
            value = self.loads(data)
            if hasattr(type(value), "__await__"):
                raise _no_use_of(value, "loads", "the event")
            return value
        if self._engine is None and len(data) > SMALL_BYTES:
            self._charge(len(data) * DECODE_SAVING_NS)
        if self._engine is not None and data.translate(_DIGITS_AS_ZERO).find(_LONG_INTEGER) < 0:
            decode, _, refusal = self._engine
            try:
                return decode(data)
            except refusal:
                pass  # it refuses more than JSON does: the other engine decides, and says why
        return decode_exactly(data)

    def encode(self, value: object) -> bytes:
        """Return the JSON text of a handler's result, compact, in UTF-8.

        Raises TypeError or ValueError for what has no JSON form.
        """
        if self.dumps is not None:
            if _is_resolved_first(value):
                raise TypeError(f"{type(value).__name__!r} is not a value")
            text = self.dumps(value)
            if not isinstance(text, (bytes, str)):
                raise _no_use_of(text, "dumps", "str or bytes")
            return exact_bytes(text if isinstance(text, bytes) else text.encode())
        if self._engine is not None:
            try:
                data: bytes = self._engine[1](value)
            except TypeError:
                pass  # more than 64 bits, a surrogate, a key that is no string, or no JSON at all
            else:
                return data
        return self._encode(value)

    def _encode(self, value: object) -> bytes:
        saving_ns = ENCODE_SAVING_NS
        try:
            text = "".join(_encoded(value, 0)) if _is_plain(value) else None
        except (RecursionError, TypeError, ValueError):
            text = None
        if text is None:
            from .exact_json import encode

            text = encode(value)
            saving_ns = EXACT_SAVING_NS
        # Only surrogates cannot be encoded, and `\udc80` is how JSON spells one, too.
        data = text.encode("utf-8", "backslashreplace")
        if self._engine is None and len(data) > SMALL_BYTES:
            self._charge(len(data) * saving_ns)
        return data

    def _charge(self, saving_ns: int) -> None:
        self._credit_ns -= saving_ns
        if self._credit_ns < 0:
            self._buy()

    def _buy(self) -> None:
        try:
            self._bind()
        except Exception:  # whatever import may meet: a module of the function's, a broken package
            self._credit_ns = sys.maxsize

    def _bind(self) -> None:
        from .orjson_engine import engine

        self._engine = engine()


codec = Codec()


def decoded_event(body: "bytes | bytearray", content_type: str) -> "Any":
    """Return the event a handler gets: what the JSON means, or the bytes of anything else."""
    if content_type != JSON_TYPE:
        return bytes(body)
    try:
        return codec.decode(body)
    except Exception as exc:
        from .faults import unreadable_event

        raise unreadable_event(exc) from exc


def encoded_result(result: object) -> "tuple[bytes | StreamedResult, str]":
    """Return body and content type of a handler's result: JSON, or its bytes as they are.

    What has no JSON form may be awaited or streamed.
    """
    try:
        if isinstance(result, bytes):
            return exact_bytes(result), BYTES_TYPE
        return codec.encode(result), JSON_TYPE
    except Exception as exc:
        if not _is_resolved_first(result):
            from .faults import unwritable_result

            raise unwritable_result(exc, result) from exc
    from .streaming import resolved

    return resolved(result)


def _is_resolved_first(result: object) -> bool:
    return any(hasattr(type(result), name) for name in RESOLVED_FIRST)


def _no_use_of(value: object, name: str, expected: str) -> TypeError:
    remedy = " (give a function that is not async def)" if hasattr(type(value), "__await__") else ""
    return TypeError(
        f"{name} of snapboot.set_codec has returned a {type(value).__name__!r}; it must return"
        f" {expected}{remedy}"
    )


def exact_bytes(value: bytes) -> bytes:
    """Return the content of `bytes`, whatever methods a class derived from it has."""
    return value if type(value) is bytes else bytes.__getitem__(value, slice(None))


def set_codec(
    *,
    loads: "Callable[[bytes | bytearray], Any] | None" = None,
    dumps: "Callable[[Any], str | bytes] | None" = None,
) -> None:
    """Decode events by `loads`, encode results by `dumps`; None keeps the runtime's own."""
    codec.loads, codec.dumps = loads, dumps


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def decode_exactly(data: "bytes | bytearray") -> "Any":
    """Return what the JSON text means, by the engine that is always right."""
    text = str(data, "utf-8")
    bare = text.strip(" \t\n\r")
    try:
        value, end = _scan(bare, 0)
        if end == len(bare):
            return value
    except (StopIteration, SystemError, ValueError):
        pass  # 3.11 has no words for what is wrong while `json` is not loaded: a SystemError
    from .exact_json import decode

    return decode(text)


def json_text(document: "dict[str, Any]") -> str:
    """Return the JSON text of a document of our own: strings, numbers, lists, dicts."""
    return "".join(_encoded(document, 0))


class _Rules:
    """What `make_scanner` wants to know: all as in `json.JSONDecoder`, but no NaN or Infinity."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse)


_scan = make_scanner(_Rules)  # type: ignore[arg-type]
# indent, separators, then: sort the keys, skip the wrong ones, allow NaN.
_FORMAT = (None, ":", ",", False, False, False)
_encoded = make_encoder(None, _refuse, encode_basestring, *_FORMAT)


def _is_plain(value: "Any") -> bool:
    """Whether the C encoder does all of this right: it would make an array of a named tuple."""
    try:
        # In C: it refuses an object of a derived class. What else it takes the C encoder refuses.
        dumps(value, COPYING_ASCII)
    except ValueError:  # or it is too deep for it
        return _is_plain_at_any_depth(value)
    return True


def _is_plain_at_any_depth(value: object) -> bool:
    containers: list[Any] = [value]
    seen = set()
    for container in containers:  # which grows meanwhile: results may be deeper than the stack
        kind = type(container)
        if kind is dict:
            items = container.values()
        elif kind is list or kind is tuple:
            items = container
        else:
            return False
        if id(container) not in seen:
            seen.add(id(container))
            containers += [item for item in items if type(item) not in _SCALARS]
    return True
