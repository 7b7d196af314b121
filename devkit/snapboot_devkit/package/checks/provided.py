"""What `provided.al2023` has and allows, as far as a package depends on it."""

from __future__ import annotations

import re
from typing import Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.sources.unpacking import MAX_UNPACKED_BYTES

# Lambda's quotas: a zip sent with the request itself (beyond it, from S3), code and layers
# unpacked, an image uncompressed.
MAX_UPLOAD_BYTES: Final = 50 * MIB
MAX_CODE_BYTES: Final = MAX_UNPACKED_BYTES
MAX_IMAGE_BYTES: Final = 10 * 1024 * MIB

# Shared libraries of Amazon Linux 2023's minimal image, on which provided.al2023 is based: those of
# glibc and gcc, and what its package manager and shell are linked with. Written down from what is
# known of its packages; compared neither with an image nor with Lambda itself.
_LIBRARIES: Final = re.compile(
    r"ld-linux-(?:x86-64|aarch64)\.so\.[12]"
    r"|lib(?:c|m|dl|rt|util|pthread|resolv|anl|BrokenLocale|nss_\w+|thread_db)\.so\.\d"
    r"|lib(?:gcc_s|z)\.so\.1|libstdc\+\+\.so\.6"
    r"|lib(?:crypto|ssl)\.so\.3"
    r"|libcrypt\.so\.2|libffi\.so\.8|libuuid\.so\.1"
    r"|libbz2\.so\.1|liblzma\.so\.5|libzstd\.so\.1"
    r"|libexpat\.so\.1|libsqlite3\.so\.0|libreadline\.so\.8"
    r"|lib(?:ncurses|ncursesw|panel|panelw|tinfo)\.so\.6"
)
# Debian gives this one another name than Amazon Linux, where the same build is thus not found.
_DEBIAN: Final = {"libbz2.so.1.0": "libbz2.so.1"}


def has_library(name: str) -> bool:
    """Tell whether a shared library of this name is there, by its `soname`."""
    return _LIBRARIES.fullmatch(name) is not None


def other_name(name: str) -> str | None:
    """Return the name under which the system has a library that is asked for by another one."""
    return _DEBIAN.get(name)
