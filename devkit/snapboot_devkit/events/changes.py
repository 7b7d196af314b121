"""One value of an event, changed by its path: `Records.0.body=hello`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class ChangeError(ValueError):
    """A change cannot be made; the message says where it fails and what is there."""


def changed(event: Any, assignments: Iterable[str]) -> Any:
    """Return the event with each `path=value` carried out, in turn. The event given stays as it is.

    A path names keys and the places of list items, with dots in between. A value is JSON where it
    can be read as such, else text; but where a text stands it stays a text, since services put
    JSON into texts. A key may be new, what it is a key of may not. Raises ChangeError.
    """
    result = json.loads(json.dumps(event))
    for assignment in assignments:
        path, found, value = assignment.partition("=")
        if not found or not path:
            raise ChangeError(f"{assignment!r} is not a change; write it as path.to.field=VALUE")
        _assign(result, path.split("."), value, assignment)
    return result


def _assign(event: Any, steps: list[str], value: str, assignment: str) -> None:
    *way, last = steps
    parent = event
    for step in way:
        parent = parent[_key(parent, step, assignment)]
    if isinstance(parent, dict):
        parent[last] = _value(value, parent.get(last))
    else:
        place = _key(parent, last, assignment)
        parent[place] = _value(value, parent[place])


def _key(parent: Any, step: str, assignment: str) -> Any:
    """Return the step as what it is in `parent`: a key, or a place in a list."""
    if isinstance(parent, dict) and step in parent:
        return step
    if isinstance(parent, list) and step.isdecimal() and int(step) < len(parent):
        return int(step)
    raise ChangeError(f"{assignment!r} cannot be set: no {step!r} in {_contents(parent)}")


def _contents(parent: Any) -> str:
    if isinstance(parent, dict):
        return f"an object with {', '.join(map(repr, parent)) or 'no keys'}"
    if isinstance(parent, list):
        return f"a list of {len(parent)}, counted from 0"
    return f"the value {parent!r}"


def _value(text: str, present: Any) -> Any:
    if isinstance(present, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
