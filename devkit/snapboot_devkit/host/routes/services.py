"""Two services beside the Runtime API: the credentials of a restored environment, and metadata.

Pure: the head of a request and what the environment has to say become a response, or None when
the request is not for one of them.
"""

from __future__ import annotations

import time
from typing import Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Head,
    Response,
    error_response,
    json_response,
    text_response,
    wrong_method,
)
from snapboot_devkit.lazy_dataclass import dataclass

# The zone is the environment's for good (guide, configuration-metadata-endpoint), unless that is
# about to become a snapshot, which wakes up anywhere; the guide gives no figure for that.
_FOR_GOOD: Final = b"private, max-age=43200, immutable"
_FOR_A_MINUTE: Final = b"private, max-age=60"

_BEARER: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class Credentials:
    """A role's temporary credentials; `expires` is a Unix time in seconds."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float


@dataclass(frozen=True, slots=True)
class Services:
    """What the two services know of one environment.

    Without `credentials` there is no such service: only SnapStart's environments have it. Put
    fresh ones in when a restore begins.
    """

    metadata_token: str
    zone_id: str = "use1-az1"
    before_snapshot: bool = False
    credentials: Credentials | None = None
    credentials_token: str = ""


def page(head: Head, services: Services) -> Response | None:
    """Return the response of the service a request is for, or None when it is for neither."""
    match head.path:
        case protocol.METADATA:
            return _get(head) or _metadata(head, services)
        case protocol.CREDENTIALS if services.credentials:
            return _get(head) or _credentials(head, services, services.credentials)
    return None


def _get(head: Head) -> Response | None:
    return None if head.method == "GET" else wrong_method(head, "GET")


def _credentials(head: Head, services: Services, credentials: Credentials) -> Response:
    # The platform's own answer to a wrong token: it looks the credentials up by it.
    if not _same(head.header(protocol.AUTHORIZATION) or "", services.credentials_token):
        return text_response(404, "cannot get credentials for the provided token\n")
    return json_response(
        200,
        {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(credentials.expires)),
        },
    )


def _metadata(head: Head, services: Services) -> Response:
    asked = head.header(protocol.AUTHORIZATION) or ""
    if not asked.startswith(_BEARER) or not _same(asked[len(_BEARER) :], services.metadata_token):
        message = "Authorization must be 'Bearer ' and the value of AWS_LAMBDA_METADATA_TOKEN"
        return error_response(401, "Unauthorized", message, (b"www-authenticate", b"Bearer"))
    lifetime = _FOR_A_MINUTE if services.before_snapshot else _FOR_GOOD
    document = {"AvailabilityZoneID": services.zone_id}
    return json_response(200, document, (b"cache-control", lifetime))


def _same(asked: str, token: str) -> bool:
    import hmac  # noqa: PLC0415 - rarely asked

    return bool(token) and hmac.compare_digest(asked.encode(), token.encode())
