"""From a source folder to what is deployed: `snapboot package`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.outputs import image, zips
from snapboot_devkit.package.scratch import Removal, scratch
from snapboot_devkit.package.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snapboot_devkit.package.request import Packaged, PackageRequest

_MAKERS: Final = {Form.ZIP: zips.make, Form.LAYER: zips.make, Form.IMAGE: image.make}


def package(request: PackageRequest, progress: Callable[[str], object]) -> Packaged:
    """Make a package; `progress` is called with what goes on.

    Raises PackageError; then nothing of it is left, and what was there before is untouched.
    """
    with (
        Store(request.cache) as store,
        packaging(request, progress, store, ElfFacts(store)) as made,
    ):
        return made


@contextlib.contextmanager
def packaging(
    request: PackageRequest, progress: Callable[[str], object], store: Store, facts: ElfFacts
) -> Iterator[Packaged]:
    """Do the same, and yield what was made while the last of the rest is removed."""
    request.check()
    with Removal() as removal:
        with scratch(request.output, removal) as folder:
            made = _MAKERS[request.form](request, folder, progress, store, facts)
        yield made
