"""Imports that wait for their first use (CPython 3.15, PEP 810): which, and until when.

With SnapStart what is still waiting is imported before the snapshot: later each restored process
would pay for it again.
"""

import sys
from types import LazyImportType  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Waiting = tuple[dict[str, Any], str, Any]

# Packages that fail when what they import waits: their extension modules look each other up in
# `sys.modules`, and in an order of their own ("numpy._core.multiarray failed to import").
EAGER = frozenset(("numpy", "pandas"))


def make_all_lazy() -> None:
    """Have each import at the top of a module wait, but for those in packages that cannot."""
    if sys.get_lazy_imports_filter() is None:  # type: ignore[attr-defined]
        sys.set_lazy_imports_filter(_may_wait)  # type: ignore[attr-defined]
    sys.set_lazy_imports("all")  # type: ignore[attr-defined]


def _may_wait(importer: str, _imported: str, _names: object) -> bool:
    return importer.partition(".")[0] not in EAGER


def import_what_waits() -> None:
    """Import all that still waits in the globals of a module, and what waits in that in turn.

    What cannot be imported goes on waiting: it fails where it is used, if it ever is.
    """
    failed: list[Any] = []  # and not their ids: an object that is gone leaves its id to another
    while waiting := [one for one in _waiting() if not any(one[2] is each for each in failed)]:
        for namespace, name, lazy in waiting:
            try:
                value = lazy.resolve()
            except Exception:
                failed.append(lazy)
            else:
                if namespace.get(name) is lazy:
                    namespace[name] = value


def explain(error: ImportError) -> None:
    """Write what to set, after an import has failed that may have waited until then."""
    if sys.get_lazy_imports() == "all":  # type: ignore[attr-defined]
        from .logs import log_warning

        log_warning(
            f"snapboot: {type(error).__name__}: {error}. Under SNAPBOOT_LAZY_IMPORTS=all an import"
            " waits for its first use, which some packages do not support: leave the variable"
            " unset, or import that package inside of 'try', so that it is imported at once"
        )


def _waiting() -> "Iterator[Waiting]":
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if isinstance(namespace, dict):
            for name, value in list(namespace.items()):
                if type(value) is LazyImportType:
                    yield namespace, name, value
