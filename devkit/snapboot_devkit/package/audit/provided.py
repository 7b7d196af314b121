"""What the package brings along and the runtime has already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.checks import sizes
from snapboot_devkit.package.checks.finding import Finding, note, warning
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.contents import managed_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject
    from snapboot_devkit.package.checks.distributions import Distribution

_SDK: Final = ("boto3", "botocore")
_SNAPBOOT: Final = ("orjson", "urllib3")
_CLIENT: Final = "awslambdaric"


def check(subject: Subject) -> Iterator[Finding]:
    """Find distributions that the runtime also provides."""
    own = [
        one
        for one in subject.distributions
        if not one.info.startswith(subject.layout.runtime or "/")
    ]
    for one in own:
        if one.name == _CLIENT:
            yield from _client(subject, one)
    if subject.place is Place.MANAGED:
        yield from _managed(
            subject, [one for one in own if one.name in managed_packages.DISTRIBUTIONS]
        )
    elif found := [one for one in own if one.name in _SNAPBOOT]:
        yield note(
            "provided",
            _path(found),
            f"{_sized(subject, found)} also beside snapboot's runtime; the package's own is loaded",
            "leave it out if the function runs on snapboot and any version will do",
        )


def _managed(subject: Subject, found: list[Distribution]) -> Iterator[Finding]:
    """Find the SDK, and what belongs to it: those come and go together.

    Where the runtime was not given, the package may be for another one, which has none of them.
    """
    if not found:
        return
    message = f"{_sized(subject, found)} also in AWS's managed runtime; the package's own is loaded"
    if not subject.place_is_known:
        yield note(
            "provided",
            _path(found),
            message,
            "keep it, unless the function is for a managed runtime; say which by --runtime, such "
            "as python3.13 or provided.al2023",
        )
        return
    report = warning if any(one.name in _SDK for one in found) else note
    yield report(
        "provided",
        _path(found),
        message,
        "leave it out, or keep it to pin the version (then use --fail-on error)",
    )


def _path(found: list[Distribution]) -> str:
    return found[0].info if len(found) == 1 else ""


def _sized(subject: Subject, found: list[Distribution]) -> str:
    parts = sizes.by_owner(subject.package, subject.owners)
    names = ", ".join(f"{one} ({sizes.megabytes(parts.get(one.name, 0))})" for one in found)
    return f"{names} {'is' if len(found) == 1 else 'are'}"


def _client(subject: Subject, one: Distribution) -> Iterator[Finding]:
    message = f"{_sized(subject, [one])} AWS's runtime client"
    if subject.place is Place.IMAGE and subject.layout.runtime is None:
        yield note(
            "runtime-client",
            one.info,
            f"{message}: an image needs it only as long as its entrypoint is awslambdaric",
            "leave it out of an image that starts with snapboot",
        )
    else:
        yield warning(
            "runtime-client",
            one.info,
            f"{message}, which the runtime does not need: it brings a runtime_client and a "
            "simplejson at the top of the path",
            "leave it out",
        )
