"""Raises an error whose text is not ASCII, and empty lines."""

raise RuntimeError("bö\n\n  日本")
