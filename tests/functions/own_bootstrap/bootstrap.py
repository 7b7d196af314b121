"""A function whose file has the name of a runtime's file."""


def inner() -> None:
    """Raise a ValueError."""
    raise ValueError("in my own bootstrap.py")


def handler(_event: object, _context: object) -> None:
    """Fail."""
    inner()
