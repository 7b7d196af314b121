"""Streams its event: a text as its JSON, by pieces; a number as so many bytes, then `closed`."""

PIECE = b"x" * 50_000


def handler(event, _context):
    """Yield pieces."""
    if isinstance(event, str):
        yield '"'
        yield from event
        yield '"'
        return
    try:
        for _ in range(0, event, len(PIECE)):
            yield PIECE
    finally:
        print("closed")
