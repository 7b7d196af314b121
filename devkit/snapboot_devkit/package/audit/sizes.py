"""How large the package is, and what Lambda takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.checks.finding import Finding, note
from snapboot_devkit.package.checks.layout import PackageKind, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject


def by_owner(subject: Subject) -> dict[str, int]:
    """Return the unpacked bytes of each distribution or top-level name, the largest first."""
    return sizes.by_owner(subject.package, subject.owners)


def check(subject: Subject) -> Iterator[Finding]:
    """Find a package that is larger than Lambda takes, or than can be uploaded at once."""
    image = subject.place is Place.IMAGE or subject.layout.form is PackageKind.CONTEXT
    parts = {**by_owner(subject), **sizes.of_layers(subject.layers)}
    if found := sizes.excess(parts, image=image):
        yield found
    packed = subject.package.store.packed_bytes
    if packed is not None and packed > provided.MAX_UPLOAD_BYTES:
        yield note(
            "large-upload",
            "",
            f"the zip has {sizes.megabytes(packed)}: more than "
            f"{sizes.megabytes(provided.MAX_UPLOAD_BYTES)} cannot be uploaded directly; the "
            f"largest, unpacked: {sizes.largest(parts)}",
            "upload it to S3, and name the object: --s3-bucket, --s3-key",
        )
