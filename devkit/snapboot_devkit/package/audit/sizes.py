"""How large the package is, by distribution, and what Lambda takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.sources.budget import MAX_UNPACKED_BYTES
from snapboot_devkit.package.checks.finding import Finding, error, note
from snapboot_devkit.package.checks.layout import Form, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject

# "Lambda quotas" in the developer guide.
MAX_DIRECT_BYTES: Final = 50 * MIB
MAX_IMAGE_BYTES: Final = 10 * 1024 * MIB
_NAMED: Final = 5


def by_owner(subject: Subject) -> dict[str, int]:
    """Return the unpacked bytes of each distribution or top-level name, the largest first."""
    sizes: dict[str, int] = {}
    for entry in subject.package.files:
        owner = subject.owner(entry.path)
        sizes[owner] = sizes.get(owner, 0) + entry.size
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def check(subject: Subject) -> Iterator[Finding]:
    """Find a package that is larger than Lambda takes, or than can be uploaded at once."""
    image = subject.place is Place.IMAGE or subject.layout.form is Form.CONTEXT
    limit = MAX_IMAGE_BYTES if image else MAX_UNPACKED_BYTES
    if subject.package.size > limit:
        yield error(
            "too-large",
            "",
            f"it takes {_megabytes(subject.package.size)} unpacked, and Lambda takes "
            f"{_megabytes(limit)}, layers included; the largest: {_largest(subject)}",
            "leave out what the function does not need"
            + ("" if image else ", or package it --as image"),
        )
    packed = subject.package.store.packed_bytes
    if packed is not None and packed > MAX_DIRECT_BYTES:
        yield note(
            "large-upload",
            "",
            f"the zip has {_megabytes(packed)}: more than {_megabytes(MAX_DIRECT_BYTES)} cannot be "
            f"uploaded directly; the largest, unpacked: {_largest(subject)}",
            "upload it to S3, and name the object: --s3-bucket, --s3-key",
        )


def _largest(subject: Subject) -> str:
    every = list(by_owner(subject).items())[:_NAMED]
    return ", ".join(f"{owner} {_megabytes(size)}" for owner, size in every)


def _megabytes(size: int) -> str:
    return f"{size / MIB:,.1f} MB"
