"""From a source folder to what is deployed: `snapboot package`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.forms import image, zips
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.scratch import scratch
from snapboot_devkit.package.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.package.request import Packaged, Request

_MAKERS: Final = {Form.ZIP: zips.make, Form.LAYER: zips.make, Form.IMAGE: image.make}


def package(request: Request, tell: Callable[[str], object]) -> Packaged:
    """Make a package; `tell` hears what goes on.

    Raises PackageError; then nothing of it is left, and what was there before is untouched.
    """
    request.check()
    with scratch(request.output) as folder, Store(request.cache) as store:
        return _MAKERS[request.form](request, folder, tell, store)
