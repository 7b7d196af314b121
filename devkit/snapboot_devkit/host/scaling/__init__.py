"""How many environments a function has, which of them serves a request, and of which code."""
