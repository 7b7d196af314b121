"""Raises from further down."""


def fail() -> None:
    """Raise a LookupError."""
    raise LookupError("deep")


def fail_with(*words: str) -> None:
    """Raise a ValueError about `words`."""
    raise ValueError(" ".join(words))
