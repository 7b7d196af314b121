"""Gives back what it got."""


def handler(event: object, _context: object) -> object:
    """Return the event."""
    return event
