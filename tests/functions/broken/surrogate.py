"""Raises an error whose text holds a lone surrogate."""

raise RuntimeError("a\ud800b")
