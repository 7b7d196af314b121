"""Which site a request is for, and which one sent it: what browsers tell in its headers."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Head


def host_of(head: Head) -> str:
    """Return the name or address in `Host`, in lower case, without port and brackets."""
    return _split(head.header(b"host") or "")[0]


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
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split(place: str) -> tuple[str, str]:
    place = place.strip().lower()
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = place.partition(":")
    return host.removesuffix("."), port
