"""Which function a caller means: a name, a partial ARN or an ARN, and a qualifier."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.routes.refusals import invalid, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host.identity import Identity

# Each part before the name may be left out (the pattern of FunctionName in the API's model).
# Region and account are not compared: a caller who uses the ARN of the cloud means the one here.
_FUNCTION_NAME: Final = re.compile(
    r"(?:arn:[^:]+:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d:)?(?:\d{12}:)?(?:function:)?"
    r"([a-zA-Z0-9_-]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?"
)


class Invokable(Protocol):
    """What the front end must know of a function; its configuration does."""

    @property
    def identity(self) -> Identity:
        """How callers know it."""

    @property
    def initialization(self) -> InitializationType:
        """How its environments come to be."""

    @property
    def per_tenant(self) -> bool:
        """Whether every call must name a tenant; otherwise none may."""


F = TypeVar("F", bound=Invokable)


def resolve(asked: str, qualifier: str, functions: Mapping[str, F]) -> F:
    """Return the function that a caller names, perhaps with a `Qualifier`. Raises RefusedError."""
    if not qualifier and (plain := _named(asked, functions)) is not None:
        return plain
    found = _FUNCTION_NAME.fullmatch(asked)
    if found is None:
        raise not_found(repr(asked), _here(functions))
    name, within = found.groups()
    if within and qualifier and within != qualifier:
        raise invalid(
            "The derived qualifier from the function name does not match the specified qualifier: "
            f"{within!r} is not {qualifier!r}; leave one of them out"
        )
    function = _named(name, functions)
    if function is None:
        raise not_found(repr(name), _here(functions))
    _check_qualifier(within or qualifier, function)
    return function


def _named(name: str, functions: Mapping[str, F]) -> F | None:
    if name in functions:
        return functions[name]
    if name == protocol.EMULATOR_FUNCTION and functions:
        return next(iter(functions.values()))
    return None


def _check_qualifier(qualifier: str, function: Invokable) -> None:
    identity = function.identity
    known = {"", identity.version}
    if function.initialization is InitializationType.MANAGED_INSTANCES:
        known.add(protocol.LATEST_PUBLISHED)
    if qualifier not in known:
        versions = " and ".join(repr(version) for version in sorted(known - {""}))
        raise not_found(f"{identity.arn}:{qualifier}", f"the only version here is {versions}")


def _here(functions: Mapping[str, F]) -> str:
    return f"this host serves {', '.join(repr(name) for name in functions)}"
