"""snapboot: a Python runtime for AWS Lambda. This is its public API; the rest is its own business.

Importing it costs microseconds: each name is loaded at its first use.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .codec import set_codec
    from .context import Client, ClientContext, CognitoIdentity, Context, current_context
    from .hooks import after_restore, before_snapshot

__all__ = [
    "Client",
    "ClientContext",
    "CognitoIdentity",
    "Context",
    "after_restore",
    "before_snapshot",
    "current_context",
    "set_codec",
]

_HOMES = {
    "Client": "context",
    "ClientContext": "context",
    "CognitoIdentity": "context",
    "Context": "context",
    "after_restore": "hooks",
    "before_snapshot": "hooks",
    "current_context": "context",
    "set_codec": "codec",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
