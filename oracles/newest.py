"""CPython 3.14 and 3.15 for the test suite, in a root of Debian's newest suite.

A machine whose own interpreters are older runs them there. The root is made once and kept in the
cache; a command in it sees this checkout and /tmp at the same paths, and this machine's network.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from oracles import cache, roots

if TYPE_CHECKING:
    from pathlib import Path

SUITE: Final = "sid"
VERSIONS: Final = ((3, 14), (3, 15))
# The interpreters, and what the tests need beside them: a compiler for extension modules of their
# own, the tools that look at processes and mount namespaces.
PACKAGES: Final = (
    *(f"python{major}.{minor}-{part}" for major, minor in VERSIONS for part in ("venv", "dev")),
    *("ca-certificates", "gcc", "git", "libc6-dev", "make", "procps", "unzip", "util-linux"),
)
# What the network and the package index need; of this machine, as far as it has them.
SETTINGS: Final = ("/etc/hosts", "/etc/pip.conf", "/etc/resolv.conf", "/etc/ssl/certs", "/etc/xdg")

# $1: the root; then the places shown in it, as they are here; after `--` the command, which starts
# in the current folder. Everything is mounted in a namespace that ends with the command.
_ENTER: Final = """
root=$1; shift
mount --bind "$root" "$root"
for kernel in dev proc sys; do mount --rbind "/$kernel" "$root/$kernel"; done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
    else
        mkdir -p "$root${1%/*}"; [ -e "$root$1" ] || : > "$root$1"
    fi
    mount --rbind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
"""


def root() -> Path:
    """Return the root; make it at first need: a minute or two, 700 MB.

    Raises OracleUnavailable.
    """
    return cache.entry(f"root-{SUITE}-newest", _fill)


def _fill(target: Path) -> None:
    roots.bootstrap(SUITE, PACKAGES, target)
    # Debian's, for its crash reporter: no other build of these versions has it. Each is a link with
    # an absolute target, which need not exist outside of the root.
    for library in target.glob("usr/lib/python3*"):
        (library / "sitecustomize.py").unlink(missing_ok=True)


def entering(folder: Path, *places: str) -> list[str]:
    """Return what runs a command in the root, from `folder`; `places` are shown there, too.

    Raises OracleUnavailable where a command cannot be run in a root.
    """
    shown = [str(folder), "/tmp", *places]  # noqa: S108 - where pytest keeps its folders
    shown += [place for place in SETTINGS if os.path.exists(place)]  # noqa: PTH110
    command = ["unshare", "--mount", "--", "sh", "-euc", _ENTER, "sh", str(root()), *shown, "--"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise cache.OracleUnavailable(
            f"a command cannot be run in a root here: {tried.stderr.strip()!r}. Run this as root"
            " where mount namespaces are allowed"
        )
    return command
