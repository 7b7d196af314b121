"""Cannot be compiled."""

value = = 1
