"""Results that are sent piece by piece, and results that must be awaited first.

A generator, any other iterator, their asynchronous kin, and an `HttpResponse` whose body is one of
them. Nothing is sent before the first piece is there: until then an exception is answered like any
other. After it, the error travels behind the pieces, in the trailers.
"""

from .api import HTTP_TYPE, JSON_TYPE, STREAM_ERROR_BODY, STREAM_ERROR_TYPE, STREAM_TYPE
from .codec import codec, encoded_result, exact_bytes, json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from .api import Invocation, Upload

# Go's net/http refuses trailers of over 4096 bytes: names, error type, the document in base64.
MAX_TRAILER_DOCUMENT_BYTES = 2700
MAX_TRAILER_TYPE_CHARS = 200


class Stream:
    """A result on its way: its first piece, and where the others come from."""

    __slots__ = ("_first", "_pieces", "_task", "_upload")

    if TYPE_CHECKING:
        _upload: Upload

    def __init__(self, pieces: "Any", prelude: bytes = b"") -> None:
        """Wait for the first piece. Raises what the source raises before it has one."""
        self._first = prelude
        self._pieces: Any = None
        self._task: Any = None
        if is_asynchronous(pieces):
            from .aio import environment_loop

            self._task = environment_loop.task(self._send_soon(encoded_soon(pieces)))
            environment_loop.resume(self._task)
        else:
            self._pieces = encoded(pieces)
            self._first += next(self._pieces, b"")

    def __repr__(self) -> str:
        return f"<Stream of {self._task or self._pieces!r}>"

    def send(self, invocation: "Invocation", content_type: str) -> None:
        """Send all pieces. Raises RuntimeAPIError when the process must end.

        What the source raises is logged, and sent in the trailers.
        """
        self._upload = invocation.begin(content_type)
        trailers = []
        try:
            if self._task is None:
                self._send()
            else:
                from .aio import environment_loop

                environment_loop.resume(self._task)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            trailers = trailers_of(exc, invocation.request_id)
        invocation.finish(self._upload, trailers)

    def _send(self) -> None:
        write = self._upload.write
        try:
            accepting = not self._first or write(self._first)
            self._first = b""
            while accepting and (piece := next(self._pieces, None)) is not None:
                accepting = write(piece)
        finally:
            self._pieces.close()

    async def _send_soon(self, pieces: "Any") -> None:
        """Do what `_send` does, pausing at the first piece until there is an upload.

        In one task: what the source enters (a time-out, a task group) it must leave in the same.
        """
        from .aio import environment_loop

        try:
            try:
                self._first += await pieces.__anext__()
            except StopAsyncIteration:
                pass
            await environment_loop.pause()
            write = self._upload.write_soon
            if not self._first or await write(self._first):
                self._first = b""
                async for piece in pieces:
                    if not await write(piece):
                        break
        finally:
            await pieces.aclose()


def resolved(result: "Any") -> "tuple[Any, str]":
    """Return body and content type of a result that must be awaited or streamed.

    The body is bytes, or what sends itself, such as a Stream.

    Raises what it raises when it is awaited, or before its first piece.
    """
    if hasattr(type(result), "__await__"):
        from .aio import environment_loop

        return encoded_result(environment_loop.run(result))
    if not hasattr(type(result), "__lambda_response__"):
        return Stream(result), STREAM_TYPE
    if hasattr(result, "send"):
        return result, HTTP_TYPE
    if is_source(result.body):
        return Stream(result.body, result.prelude()), HTTP_TYPE
    return codec.encode(result.document()), JSON_TYPE


def is_source(value: "Any") -> bool:
    """Whether a value is an iterator, an asynchronous one included."""
    kind = type(value)
    return hasattr(kind, "__next__") or hasattr(kind, "__anext__")


def is_asynchronous(value: "Any") -> bool:
    """Whether an iterator must be awaited."""
    return hasattr(type(value), "__anext__")


def encoded(pieces: "Iterator[Any]") -> "Iterator[bytes]":
    """Yield the pieces that are not empty, as bytes; end the source with this generator."""
    try:
        for position, piece in enumerate(pieces):
            data = as_bytes(piece, position)
            if data:
                yield data
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


async def encoded_soon(pieces: "AsyncIterator[Any]") -> "AsyncIterator[bytes]":
    """Do what `encoded` does, with a source that must be awaited."""
    position = 0
    try:
        async for piece in pieces:
            data = as_bytes(piece, position)
            position += 1
            if data:
                yield data
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def as_bytes(piece: "Any", position: int) -> bytes:
    """Return a piece as it goes out. Raises TypeError for what is neither text nor bytes."""
    if isinstance(piece, bytes):
        return exact_bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    try:
        # A copy, as the function may use a buffer again, or resize it.
        return memoryview(piece).tobytes()
    except TypeError:
        raise TypeError(
            f"chunk {position} of the streamed response is of type {type(piece).__name__!r}: yield"
            " str or bytes (for JSON, json.dumps(...); await a coroutine, iterate over a generator)"
        ) from None


def _fit_for_a_trailer(document: bytes, fields: "dict[str, Any]") -> bytes:
    """Return an error document with less of the stack, then of the texts, until it is short."""
    fields = dict(fields)
    while len(document) > MAX_TRAILER_DOCUMENT_BYTES:
        if fields["stackTrace"]:
            fields["stackTrace"] = fields["stackTrace"][1:]  # where it was raised is at the end
        else:
            longest = max(("errorMessage", "errorType"), key=lambda name: len(fields[name]))
            fields[longest] = fields[longest][: len(fields[longest]) // 2]
        document = json_text(fields).encode("utf-8", "backslashreplace")
    return document


def trailers_of(error: BaseException, request_id: str) -> "list[tuple[str, str]]":
    """Log an error, and return it as the trailers of a stream that it has ended."""
    from binascii import b2a_base64

    from .main import reported

    report = reported(error, request_id)
    short = _fit_for_a_trailer(report.document, report.fields)
    document = b2a_base64(short, newline=False).decode()
    error_type = report.header_type[:MAX_TRAILER_TYPE_CHARS]
    return [(STREAM_ERROR_TYPE, error_type), (STREAM_ERROR_BODY, document)]
