"""The hook module that AWS's managed Python runtime provides, for functions that import it.

Found last on `sys.path`: a function that brings AWS's package `snapshot-restore-py` gets its own.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., object])
    Registration = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]

__all__ = ["register_after_restore", "register_before_snapshot"]

_before_snapshot: "list[Registration]" = []
_after_restore: "list[Registration]" = []


def register_before_snapshot(func: "Hook", *args: "Any", **kwargs: "Any") -> "Hook":
    """Have `func(*args, **kwargs)` run before the snapshot, the last one registered first."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func: "Hook", *args: "Any", **kwargs: "Any") -> "Hook":
    """Have `func(*args, **kwargs)` run after each restore, the first one registered first."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot() -> "list[Registration]":
    """Return the registered hooks themselves, in order of registration."""
    return _before_snapshot


def get_after_restore() -> "list[Registration]":
    """Return the registered hooks themselves, in order of registration."""
    return _after_restore
