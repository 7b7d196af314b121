"""Files that usually hold keys and passwords: known by name, or by a private key in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.package.checks.finding import Finding, listed, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from snapboot_devkit.package.checks.contents import Package

# Settings of the one who develops it: `.env`, `.env.production`, `.envrc`.
ENV: Final = ".env"
_NAMES: Final = re.compile(
    r"\.(?:netrc|npmrc|pypirc|git-credentials|pgpass|dockercfg)|_netrc"
    r"|id_(?:rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)"
    r"|.*\.tfstate(?:\.backup)?"
)
_ENDS: Final = ("/.aws/credentials", "/.docker/config.json")
# Files that may hold a certificate, which is public, or a key, which is not.
_MAY_HOLD_KEYS: Final = (".pem", ".key", ".p8", ".ppk")
_STORES: Final = (".p12", ".pfx")
# "-----BEGIN RSA PRIVATE KEY-----", and PuTTY's "Private-Lines".
_KEYS: Final = (b"PRIVATE KEY-----", b"Private-Lines:")
# A bundle of all the world's certificates has 0.3 MB.
_MAX_KEY_BYTES: Final = 2 * MIB


def is_secret(path: str, head: Callable[[int], bytes]) -> bool:
    """Tell whether a file is to be kept secret; `head` returns as many of its first bytes."""
    name = path.rpartition("/")[2]
    if name.startswith(ENV) or _NAMES.fullmatch(name) or f"/{path}".endswith(_ENDS):
        return True
    suffix = name.lower()
    if suffix.endswith(_STORES):
        return True
    return suffix.endswith(_MAY_HOLD_KEYS) and any(key in head(_MAX_KEY_BYTES) for key in _KEYS)


def check(package: Package, owned: Container[str]) -> Iterator[Finding]:
    """Find such files of the function's own; those in a distribution are public already."""

    def is_private(path: str) -> bool:
        folders = path.split("/")[:-1]
        hidden = any(folder.startswith(ENV) for folder in folders)
        return hidden or is_secret(path, lambda size: package.head(path, size) or b"")

    own = (entry.path for entry in package.files if entry.path not in owned)
    found = [path for path in own if is_private(path)]
    if found:
        yield warning(
            "secret",
            found[0] if len(found) == 1 else "",
            f"{listed(found)} may hold secrets, and all who can read the code can read them",
            "leave it out, and give the function what it needs by its variables or by Secrets "
            "Manager",
        )
