"""Registering SnapStart hooks.

There is one registry, that of `snapshot_restore_py`: the function's own copy of AWS's package if it
has one, ours otherwise. Whichever is imported, there is one order of registration.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., object])


def before_snapshot(hook: "Hook", /, *args: "Any", **kwargs: "Any") -> "Hook":
    """Have a hook run before the snapshot is taken, the last one registered first.

    Serves as a decorator, too. Without SnapStart hooks never run. A hook that raises makes the
    publishing of the version fail.
    """
    registry().register_before_snapshot(hook, *args, **kwargs)
    return hook


def after_restore(hook: "Hook", /, *args: "Any", **kwargs: "Any") -> "Hook":
    """Have a hook run after each restore, the first one registered first, 10 s for them all.

    Serves as a decorator, too. A hook that raises makes the invocation fail.
    """
    registry().register_after_restore(hook, *args, **kwargs)
    return hook


def registry() -> "ModuleType":
    """Return the module that keeps the hooks, whichever copy `import` finds."""
    try:
        import snapshot_restore_py
    except ImportError:  # an installed wheel keeps ours out of site-packages
        sys.path.append(f"{__file__.rpartition('/')[0]}/provided")
        import snapshot_restore_py
    return snapshot_restore_py
