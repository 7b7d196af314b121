"""The names of events that botocore's hooks were asked for, to be sealed.

{folder of botocore: ((alias, …), {name: its name})}, of which the aliases are those that the names
were found by, in their order, as pairs. There are no contents beside it.
Loaded by `tracing`, once the modules have been listed.
"""

import gc
import sys
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .tracing import Data


def data(module: str, _opened: "Iterable[str]", _wanted: "Iterable[str]") -> "Data | str | None":
    """Return the names that all event emitters at hand know; None without any.

    Or the reason why none can be sealed.
    """
    hooks: Any = sys.modules.get(module)
    if hooks is None:
        return None
    try:
        aliaser, aliases = hooks.EventAliaser, tuple(hooks.EVENT_ALIASES.items())
        used = (
            *(aliaser._alias_event_name, aliaser._replace_subsection),  # noqa: SLF001
            hooks.BaseEventHooks._verify_accept_kwargs,  # noqa: SLF001
        )
        own = all(isinstance(one, FunctionType) and one.__globals__ is vars(hooks) for one in used)
        own = own and hooks.accepts_kwargs.__module__ == "botocore.compat"
    except AttributeError:
        own = False
    if not own:
        return "its functions are not those of botocore that are known here"
    gc.unfreeze()  # what the runtime froze is in no list; this process ends soon
    met = [
        name
        for one in gc.get_objects()
        if type(one) is aliaser and vars(one).get("_event_aliases") == dict(aliases)
        for name in tuple(vars(one).get("_alias_name_cache", ()))  # threads may go on adding
        if type(name) is str
    ]
    fresh = aliaser(None)  # those at hand may have been changed
    names = {name: fresh._alias_event_name(name) for name in sorted(set(met))}  # noqa: SLF001
    return [], {hooks.__file__.rpartition("/")[0]: (aliases, names)}, []
