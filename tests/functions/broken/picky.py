"""Wants a name that a module lacks."""

from json import no_such_name
