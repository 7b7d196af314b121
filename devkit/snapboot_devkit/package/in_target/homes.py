"""Where a module's file is, said so that it still holds on Lambda.

A home is the folder in which a top-level module or a package's member is, and a tail is the rest
of the path: `x.py`, `x/__init__.py`, `x.cpython-313-x86_64-linux-gnu.so`. A home begins with
"t" and goes on relative to the function's folder, with "s" relative to the standard library's, with
"r" relative to the runtime's, or it is an absolute path in the interpreter's own packages.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


class Outside(Exception):  # noqa: N818 - reads as the state of affairs it reports
    """A file that will not be on Lambda, or not where it was found; the message says why."""


@dataclass(frozen=True, slots=True)
class Homes:
    """The folders of one package: `packages` are the interpreter's own."""

    task: str
    runtime: str
    stdlib: str
    packages: tuple[str, ...]

    def of(self, name: str, path: str) -> tuple[str, str]:
        """Return the home and the tail of the module `name`, whose file is `path`."""
        tail = _tail(name, path)
        home = self.home(path[: -len(tail) - 1])
        if home is None:
            raise Outside(
                f"{path!r} is outside of the function's code and of the interpreter's own folders"
            )
        if home.startswith("t"):
            _refuse_link(path, self.task)
        return home, tail

    def home(self, folder: str) -> str | None:
        """Return a folder as a home; of the innermost, as an interpreter may be in the code."""
        known = {"t": self.task, "r": self.runtime, "s": self.stdlib}
        holding = [(root, kind) for kind, root in known.items() if _is_in(folder, root)]
        if holding:
            root, kind = max(holding, key=lambda found: len(found[0]))
            return kind + folder[len(root) :].removeprefix("/")
        return folder if any(_is_in(folder, root) for root in self.packages) else None


def _is_in(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(f"{root}/")


def _tail(name: str, path: str) -> str:
    last = name.rpartition(".")[2]
    folder, _, file = path.rpartition("/")
    if file.startswith(f"{last}."):
        return file
    if file.startswith("__init__.") and folder.endswith(f"/{last}"):
        return f"{last}/{file}"
    raise Outside(f"{path!r} is not named as the module is")


def _refuse_link(path: str, root: str) -> None:
    if not os.path.realpath(path).startswith(f"{root}/"):
        raise Outside(
            f"{path!r} is a link out of the function's code, to {os.path.realpath(path)!r}"
        )
