"""Has a handler that cannot be called."""

handler = 5
