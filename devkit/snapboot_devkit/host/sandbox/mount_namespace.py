"""An environment's own view of the file system: /var/task, /opt and /tmp as on Lambda.

Root gets it for nothing, in the thread that starts the processes. An ordinary user needs a program
in between, which costs the start of every process some 30 ms. Where neither works there is none,
but a reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.sandbox import mounting
from snapboot_devkit.host.sandbox.mounting import READ_ONLY, WRITABLE
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TASK_ROOT: Final = Path("/var/task")
LAYER_ROOT: Final = Path("/opt")
TMP: Final = Path("/tmp")  # noqa: S108 - the function's
_PROGRAM: Final = Path(mounting.__file__)
_OPTIONS: Final = ("-B", "-E", "-s", "-S")
_TRIAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class MountNamespace:
    """What processes see where. `task_root` and `layer_root` are the folders by their names inside.

    `missing` says, in lines for people, what is not as on Lambda.
    """

    task_root: Path
    layer_root: Path | None
    binds: tuple[tuple[str, str, str], ...]
    as_root: bool
    missing: tuple[str, ...] = field(default=())

    def join(self) -> None:
        """Move the calling thread in, for good. Raises OSError."""
        if self.as_root:
            mounting.unshare(user=False)
            mounting.bind(list(self.binds))

    def entering(self, command: Sequence[str]) -> list[str]:
        """Return the command that moves in and becomes `command`."""
        if self.as_root:
            return list(command)
        words = [word for bind in self.binds for word in bind]
        return [sys.executable, *_OPTIONS, str(_PROGRAM), *words, "--", *command]


def prepare(
    task_root: Path,
    layer_root: Path | None,
    temporary: Path,
    needed: Iterable[Path] = (),
    *,
    as_root: bool | None = None,
) -> MountNamespace | str:
    """Return a namespace for a function's folders, or the reason why there is none.

    `temporary` becomes /tmp. `needed` are paths that must stay as they are, such as the
    interpreter's; one that is not there yet is to come from the code or a layer. With `as_root`
    off root enters it as others do, by a command. Blocks for a trial, some milliseconds for root,
    some tens for others.
    """
    if sys.platform != "linux":
        return "functions see this machine's files as they are: mount namespaces require Linux"
    there = [path for path in needed if path.exists()]
    if as_root is None:
        as_root = os.geteuid() == 0
    namespace = plan(task_root, layer_root, temporary, there, as_root=as_root)
    problem = _try_as_root(namespace) if namespace.as_root else _try_as_user(namespace)
    if problem:
        return f"functions see this machine's files as they are: {problem}"
    return namespace


def plan(
    task_root: Path,
    layer_root: Path | None,
    temporary: Path,
    needed: Iterable[Path],
    *,
    as_root: bool,
) -> MountNamespace:
    """Return the namespace as it should be. Only folders that this machine has are covered."""
    roots = [root for root in (task_root, layer_root) if root]
    paths = [*roots, *needed]
    paths += [path.resolve() for path in paths]
    # What is in /tmp and is needed stays, with everything in the same folder of /tmp.
    kept = {TMP / path.relative_to(TMP).parts[0] for path in paths if TMP in path.parents}
    binds = [(WRITABLE, temporary, TMP), *((WRITABLE, path, path) for path in sorted(kept))]
    binds += [(READ_ONLY, root, root) for root in roots]
    missing = []
    inside: list[Path | None] = []
    for root, place in ((task_root, TASK_ROOT), (layer_root, LAYER_ROOT)):
        free = place.is_dir() and not any(place in path.parents for path in paths)
        if root and free:
            binds.append((READ_ONLY, root, place))
        elif root and root != place:
            missing.append(f"{str(root)!r} cannot be mounted at {str(place)!r}: {_why_not(place)}")
        inside.append(place if root and free else root)
    texts = tuple((mode, str(source), str(target)) for mode, source, target in binds)
    return MountNamespace(inside[0] or task_root, inside[1], texts, as_root, tuple(missing))


def _why_not(place: Path) -> str:
    if place.is_dir():
        return "files that the function needs are in it"
    return f"make that folder once, with 'sudo mkdir -p {place}'"


def _try_as_root(namespace: MountNamespace) -> str | None:
    problems: list[str] = []

    def attempt() -> None:
        try:
            namespace.join()
        except OSError as exc:
            problems.append(str(exc))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return problems[0] if problems else None


def _try_as_user(namespace: MountNamespace) -> str | None:
    try:
        subprocess.run(
            namespace.entering(["true"]),
            check=True,
            capture_output=True,
            text=True,
            timeout=_TRIAL_S,
            cwd="/",
            env={"PATH": os.defpath},
        )
    except subprocess.CalledProcessError as exc:
        return str(exc.stderr).strip().rpartition("\n")[2]
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return None
