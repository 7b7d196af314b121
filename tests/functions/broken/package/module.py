"""A module in a package."""


def handler(event: object, _context: object) -> object:
    """Return the event."""
    return event


class Inside:
    """Holds a handler."""

    handler = staticmethod(handler)
