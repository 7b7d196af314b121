"""botocore's event hooks out of the module archive: what they find out at each start.

Each of some 150 handlers that a client registers has its signature taken apart, to see whether it
takes keywords, and the name of its event is looked for among a hundred others. Here plain functions
are asked by the flag that the compiler gave them, and the names that were met when the function was
packaged are as they were found then. All else goes botocore's own way: aliases that differ, in
their order too, classes of other people, functions that were replaced, and a log at level DEBUG,
which names each event that is renamed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .archive import ModuleArchive, Table

DEBUG = 10
VARKEYWORDS = 8  # `inspect.CO_VARKEYWORDS`


def install(hooks: "ModuleType", archive: "ModuleArchive", table: "Table") -> None:
    """Have `botocore.hooks` find what was sealed for it."""
    import inspect  # which botocore loads, too, unless its imports are lazy

    aliaser, base = hooks.EventAliaser, hooks.BaseEventHooks
    method = type(archive.placed)
    means = hooks.accepts_kwargs, inspect.getfullargspec
    verify = base._verify_accept_kwargs  # noqa: SLF001
    rename, replace = aliaser._alias_event_name, aliaser._replace_subsection  # noqa: SLF001
    aliases = dict(hooks.EVENT_ALIASES)  # with its very strings, which are equal at a glance
    order = list(aliases)
    (sealed,) = table[1].values()
    names = sealed[1] if tuple(aliases.items()) == sealed[0] else {}

    def verify_accept_kwargs(self: "Any", func: "Any") -> "Any":
        if (hooks.accepts_kwargs, inspect.getfullargspec) == means and takes_keywords(func, method):
            return None
        return verify(self, func)

    def alias_event_name(self: "Any", event_name: "Any") -> "Any":
        if (
            type(event_name) is str
            and event_name in names
            and event_name not in self._alias_name_cache
            and type(self) is aliaser
            and aliaser._replace_subsection is replace  # noqa: SLF001
            and type(self._event_aliases) is dict
            and self._event_aliases == aliases
            and list(self._event_aliases) == order
            and not hooks.logger.isEnabledFor(DEBUG)
        ):
            self._alias_name_cache[event_name] = names[event_name]
        return rename(self, event_name)

    if (
        getattr(means[0], "__module__", "") == "botocore.compat"
        and means[1].__module__ == "inspect"
    ):
        base._verify_accept_kwargs = verify_accept_kwargs  # noqa: SLF001
    aliaser._alias_event_name = alias_event_name  # noqa: SLF001


def takes_keywords(func: "Any", method: "Any") -> bool:
    """Whether this certainly takes any keyword: a plain function, bound (a `method`) or not."""
    function: Any = func.__func__ if type(func) is method else func
    return (
        type(function) is type(takes_keywords)
        and not vars(function)  # no `__wrapped__`, no `__signature__`
        and bool(function.__code__.co_flags & VARKEYWORDS)
    )
