"""What the AWS Mobile SDK, or any caller, sent along as client context."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class Client:
    """The mobile application that called, from the AWS Mobile SDK's client context."""

    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )
    installation_id: "str | None"
    app_title: "str | None"
    app_version_name: "str | None"
    app_version_code: "str | None"
    app_package_name: "str | None"

    def __init__(self, fields: "dict[str, Any]") -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        return listed(self, self.__slots__)


class ClientContext:
    """What the caller sent as client context: `custom`, `env` as they are, `client` an object."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.custom: Any = fields.get("custom")
        self.env: Any = fields.get("env")
        client = fields.get("client")
        self.client: Client | None = None if client is None else Client(client)

    def __repr__(self) -> str:
        return listed(self, self.__slots__)


def take_w3c(client_context: "dict[str, Any]") -> dict[str, str]:
    """Remove `w3c` from a client context, and return what of it is trace context."""
    sent = client_context.pop("w3c", None)
    if not isinstance(sent, dict):
        return {}
    return {name: sent[name] for name in W3C_FIELDS if isinstance(sent.get(name), str)}


def listed(instance: object, names: "tuple[str, ...]", label: str = "") -> str:
    """Return an object of the context as AWS's runtime prints it, by its own name or another."""
    values = ",".join(f"{name}={getattr(instance, name)}" for name in names)
    return f"{label or type(instance).__name__}([{values}])"
