"""One event and what its caller says of it, checked as the Invoke API does. No I/O."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NoReturn

from snapboot_devkit.host import protocol
from snapboot_devkit.host.identity import new_id, new_trace_id
from snapboot_devkit.host.lifecycle.terms import Invocation
from snapboot_devkit.host.routes.refusals import bad_content, bad_parameter, invalid, too_large
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Body
    from snapboot_devkit.host.routes.naming import Invokable

# Up to here the standard library is quick enough, and a short run imports nothing more.
_SMALL_BYTES: Final = protocol.KIB
_TENANT_ID: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")


@dataclass(frozen=True, slots=True)
class InvokeOptions:
    """What a caller may say of an invocation besides its event; `client_context` is JSON text."""

    request_id: str | None = None
    trace_id: str | None = None
    client_context: str = ""
    tenant_id: str | None = None


NO_OPTIONS: Final = InvokeOptions()


def checked_invocation(
    payload: bytes | bytearray, options: InvokeOptions, function: Invokable
) -> Invocation:
    """Return an invocation with the ids its caller left out. Raises RefusedError."""
    if options is NO_OPTIONS and not function.per_tenant:
        return Invocation(
            new_id(),
            payload,
            function.identity.arn,
            trace_id=new_trace_id(),
        )
    return Invocation(
        request_id=_checked_request_id(options.request_id) or new_id(),
        payload=payload,
        arn=function.identity.arn,
        trace_id=_checked_trace_id(options.trace_id) or new_trace_id(),
        client_context=options.client_context,
        tenant_id=_checked_tenant_id(options.tenant_id, function),
    )


def checked_payload(body: Body, *, asynchronous: bool = False) -> bytes | bytearray:
    """Return the event; an empty one is an empty object. Raises RefusedError."""
    limit = protocol.MAX_ASYNC_PAYLOAD_BYTES if asynchronous else protocol.MAX_PAYLOAD_BYTES
    if body.size > limit:
        raise too_large(body.size, limit)
    if not body.content:
        return b"{}"
    _check_json(body.content)
    return body.content


def _checked_request_id(asked: str | None) -> str | None:
    if not asked:
        return None
    from uuid import UUID  # noqa: PLC0415 - most callers send none

    try:
        return str(UUID(asked))
    except ValueError:
        raise bad_content(f"x-amzn-RequestId {asked!r} must be a UUID, or be left out") from None


def _checked_trace_id(asked: str | None) -> str | None:
    if asked and not asked.isprintable():
        raise bad_parameter("X-Amzn-Trace-Id", asked, "one line of printable text")
    return asked


def _checked_tenant_id(tenant_id: str | None, function: Invokable) -> str:
    name = function.identity.name
    if tenant_id is None:
        if function.per_tenant:
            raise invalid(f"{name!r} isolates its tenants; add a tenant id (X-Amz-Tenant-Id)")
        return ""
    if not _TENANT_ID.fullmatch(tenant_id):
        remedy = "1 to 256 letters, digits, blanks or ._:/=+-@"
        raise bad_parameter("X-Amz-Tenant-Id", tenant_id, remedy)
    if not function.per_tenant:
        raise invalid(
            f"{name!r} does not isolate tenants; leave the tenant id {tenant_id!r} out, "
            "or configure the function per tenant"
        )
    return tenant_id


def _check_json(content: bytes | bytearray) -> None:
    if len(content) > _SMALL_BYTES and _is_plain_json(content):
        return
    try:
        _JSON.decode(content.decode())
    except (ValueError, RecursionError) as exc:
        raise bad_content(f"Could not parse request body into json: {exc}") from exc


def _is_plain_json(content: bytes | bytearray) -> bool:
    """Check a document without building it, in a tenth of the time.

    What msgspec refuses may still be JSON, such as half a surrogate pair; what it skips over as
    raw text it does not check for UTF-8.
    """
    try:
        import msgspec  # noqa: PLC0415 - for large events only
    except ImportError:  # no wheel of it for this Python
        return False
    try:
        if not content.isascii():
            content.decode()
        msgspec.json.decode(content, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# The numbers are of no interest, and Python refuses very long ones.
_JSON: Final = json.JSONDecoder(parse_int=float, parse_constant=_no_constant)
