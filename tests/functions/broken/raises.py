"""Fails while it is imported."""


def explode() -> None:
    """Raise a ValueError."""
    raise ValueError("at import")


explode()
