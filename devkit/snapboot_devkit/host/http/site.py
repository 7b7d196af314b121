"""Which site a request is for, and which one sent it: what browsers tell in its headers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MAX_PORT

if TYPE_CHECKING:
    import ipaddress

    from snapboot_devkit.host.http.exchange import Head


# As much of RFC 3986 as name servers and browsers take: of letters from elsewhere they make ASCII.
_PLACE: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-][a-z0-9._-]*))(?::(?P<port>[0-9]{0,5}))?"
)
# A host is known by few names, which come with each request.
_PLACES: Final = 16
_USUAL_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def host_of(head: Head) -> str:
    """Return the name or address in `Host`, in lower case, without port and brackets."""
    return host_named(head.headers.get(b"host", b""))


def host_named(value: bytes) -> str:
    """Return the name or address in the value of a `Host`."""
    return _split(value.decode("utf-8", "replace"))[0]


def port_of(head: Head) -> str:
    """Return the port in `Host`, or 80."""
    return _split(head.header(b"host") or "")[1] or "80"


def origin_host(origin: str) -> str:
    """Return the host of an `Origin`; of `null` and of nonsense it is empty."""
    return _split(origin.partition("://")[2])[0]


def is_same_origin(head: Head, origin: str) -> bool:
    """Tell whether a page's origin is the place that the request is for."""
    scheme, _, place = origin.lower().partition("://")
    return scheme == "http" and place == (head.header(b"host") or "").strip().lower()


def is_address(host: str) -> bool:
    """Tell whether a host is an address: no name server can make one lead elsewhere."""
    return _address(host) is not None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, whatever a name server says (RFC 6761, 6.3)."""
    if host in _USUAL_LOOPBACK:
        return True
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host.endswith(".localhost")


@functools.lru_cache(_PLACES)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    import ipaddress  # noqa: PLC0415 - for hosts that are rare

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_place(text: str) -> bool:
    """Tell whether a `Host` is one, which may be empty (RFC 9112, 3.2)."""
    return not text.strip() or bool(_split(text)[0])


@functools.lru_cache(_PLACES)
def _split(text: str) -> tuple[str, str]:
    """Return host and port; both empty where a text is no place."""
    found = _PLACE.fullmatch(text.strip().lower())
    if found is None or int(found["port"] or 0) > MAX_PORT:
        return "", ""
    if found["ipv6"] is not None:
        address = _address(found["ipv6"])
        is_one = address is not None and address.version == 6
        return (found["ipv6"], found["port"] or "") if is_one else ("", "")
    return found["name"].removesuffix("."), found["port"] or ""
