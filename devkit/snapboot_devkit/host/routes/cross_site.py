"""Keeps pages in a browser from invoking functions. Pure.

Two ways lead from a foreign page to a server on loopback: a name of the page's own that its name
server makes lead here (then `Host` is foreign), and a plain cross-site request (which a browser
marks). Clients that are no browsers, such as boto3, the AWS CLI and curl, send no marks.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http import site
from snapboot_devkit.host.http.exchange import error_response
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Head, Response

# `none` is what the user typed or bookmarked (Fetch Metadata, 2.3).
_NOT_CROSS_SITE: Final = frozenset({"", "none", "same-origin"})
EVERYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Who may come in: where the host listens, and the names that the user allows besides.

    `bound` is the address it listens on, `machine` the name of this computer. An allowed name
    stands for a `Host` and for the `Origin` of pages; `*` allows everything.
    """

    bound: str
    machine: str = ""
    allowed: frozenset[str] = field(default_factory=frozenset)

    def refusal(self, head: Head) -> Response | None:
        """Return the response to a request that may not come in, or None."""
        if EVERYWHERE in self.allowed:
            return None
        foreign = self._foreign_host(head)
        if protocol.ORIGIN in head.headers or protocol.FETCH_SITE in head.headers:
            return foreign or self._cross_site(head)
        return foreign

    def _foreign_host(self, head: Head) -> Response | None:
        host = site.host_of(head)
        # Only HTTP/1.0 knows requests without a host, and no browser speaks it.
        if b"host" not in head.headers or self._is_ours(host):
            return None
        return _forbidden(
            "ForeignHost",
            f"Host {host!r} is not a name of this host; use localhost or 127.0.0.1, "
            f"or allow the name: --allow-host {host}",
        )

    def _is_ours(self, host: str) -> bool:
        if site.is_loopback(host) or host in self.allowed or host == self.bound.lower():
            return True
        if site.is_loopback(self.bound):
            return False
        return site.is_address(host) or host == self.machine.lower()

    def _cross_site(self, head: Head) -> Response | None:
        origin = head.header(protocol.ORIGIN)
        if origin is not None:
            if site.is_same_origin(head, origin) or site.origin_host(origin) in self.allowed:
                return None
            name = site.origin_host(origin)
            remedy = f"allow it: --allow-host {name}" if name else "serve the page by HTTP"
            return _forbidden(
                "CrossSiteRequest",
                f"a page of {origin!r} may not invoke functions here; {remedy}",
            )
        mark = (head.header(protocol.FETCH_SITE) or "").lower()
        if mark in _NOT_CROSS_SITE:
            return None
        return _forbidden(
            "CrossSiteRequest",
            f"another site's page has sent this (Sec-Fetch-Site: {mark!r}); open the address "
            "directly, or allow every site: --allow-host '*'",
        )


def _forbidden(error_type: str, message: str) -> Response:
    return error_response(403, error_type, message)
