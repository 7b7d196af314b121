"""What of an interpreter no function needs, each with the reason why it is left out.

Whatever a handler may sensibly import stays.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

# Patterns of paths relative to the standard library's folder. Of the interpreter's own folder only
# the program, the standard library and the shared libraries these two need are taken at all.
TRIMMED: Final[dict[str, str]] = {
    "__pycache__": "compiled again, with the paths of Lambda",
    "*/__pycache__": "compiled again, with the paths of Lambda",
    "test": "CPython's own tests",
    "*/test": "tests of a package of the standard library",
    "*/tests": "tests of a package of the standard library",
    "*/idle_test": "tests of the editor",
    "lib-dynload/_test*": "extension modules of CPython's own tests",
    "lib-dynload/_ctypes_test*": "extension modules of CPython's own tests",
    "lib-dynload/_xxtestfuzz*": "extension modules of CPython's own tests",
    "lib-dynload/xxlimited*": "an example of an extension module",
    "lib-dynload/xxsubtype*": "an example of an extension module",
    "idlelib": "the editor IDLE",
    "tkinter": "windows on a screen",
    "turtle.py": "windows on a screen",
    "turtledemo": "windows on a screen",
    "lib-dynload/_tkinter*": "windows on a screen; Lambda has no Tk",
    "ensurepip": "installs pip, which a read-only interpreter cannot use",
    "site-packages": "what is installed there is not part of the package; see --requirements",
    "dist-packages": "what is installed there is not part of the package; see --requirements",
    "lib2to3": "rewrites Python 2; gone since 3.13",
    "pydoc_data": "help texts of the interactive interpreter",
    "venv/scripts": "what is copied into a virtual environment, for a shell",
    "config-*": "what the interpreter was built with, for who embeds it",
    "*.a": "static libraries",
}


def is_trimmed(path: str) -> bool:
    """Tell whether a path, relative to the standard library with slashes, is left out."""
    return any(fnmatchcase(path, pattern) for pattern in TRIMMED)
