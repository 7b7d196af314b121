"""The kernel's own limits for a whole environment: control groups, where the host may make them.

Version 2 and version 1 are both in use. Every group is made beneath or beside the host's own, so
that what limits the host limits its functions, too.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.sandbox import process_scan, reaper_program
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapboot_devkit.host.sandbox.limits import Limits

# Short, so that a small share comes in many small pieces and not as one long stall.
_PERIOD_US: Final = 20_000
# The kernel takes no smaller slice of a period.
_MIN_QUOTA_US: Final = 1_000
# Version 1 is on its way out, and cannot limit swap everywhere: memory is watched there instead.
_SERVED: Final = frozenset({("cpu", 1), ("pids", 1), ("cpu", 2), ("pids", 2), ("memory", 2)})
# The last process of a group has been killed, but may not be gone quite yet.
_LAST_BREATH_S: Final = 0.25


def missing() -> str | None:
    """Return what a host that is killed may leave behind here, or None where it leaves nothing.

    With the first process of a container all others in it end.
    """
    if homes() or os.getpid() == 1:
        return None
    return (
        "no control group can be created here: if this host is killed (kill -9), daemons that a "
        "function has started may keep running; stop the host with Ctrl-C, or run it where it may "
        "create control groups"
    )


@dataclass(frozen=True, slots=True)
class Home:
    """Where groups can be made: the folder beneath which, for these controllers."""

    folder: Path
    version: int
    controllers: frozenset[str]


def homes(root: Path = Path("/proc/self")) -> list[Home]:
    """Return the places where this process could make groups; empty where there are none."""
    try:
        memberships = (root / "cgroup").read_text()
        mounts = (root / "mountinfo").read_text()
    except OSError:
        return []
    return [
        home
        for folder, version, controllers in places(memberships, mounts)
        if (home := _home(folder, version, controllers))
    ]


def places(memberships: str, mounts: str) -> list[tuple[Path, int, frozenset[str]]]:
    """Return this process's group in each hierarchy: folder, version, version 1's controllers.

    The texts are those of /proc/self/cgroup and /proc/self/mountinfo (man 7 cgroups, man 5 proc).
    """
    mounted = list(_mounted(mounts))
    found = []
    for line in memberships.splitlines():
        number, names, path = line.split(":", 2)
        controllers = frozenset(names.split(",")) if names else frozenset()
        version = 2 if number == "0" and not names else 1
        for kind, options, point, root in mounted:
            if kind == "cgroup2" if version == 2 else controllers <= options:
                inside = os.path.relpath(path, root)
                if not inside.startswith(".."):
                    found.append((point / inside, version, controllers))
                    break
    return found


def _mounted(mounts: str) -> list[tuple[str, frozenset[str], Path, str]]:
    """Return every mounted hierarchy: type, controllers, where, and its root as seen outside."""
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, frozenset(options.split(",")), Path(point), root))
    return found


def _home(folder: Path, version: int, controllers: frozenset[str]) -> Home | None:
    if version == 1:
        return Home(folder, 1, controllers) if os.access(folder, os.W_OK) else None
    # A group with processes of its own, like the host's, cannot hand controllers on. Beside it, in
    # its parent, is the next place; a desktop's session manager lets its user make groups there.
    for candidate in (folder, folder.parent):
        if os.access(candidate / "cgroup.subtree_control", os.W_OK) and (
            granted := _granted(candidate)
        ):
            return Home(candidate, 2, granted)
    # Without controllers nothing is limited, but all that is in a group can still be found.
    writable = (one for one in (folder, folder.parent) if os.access(one / "cgroup.procs", os.W_OK))
    return next((Home(one, 2, frozenset()) for one in writable), None)


def _granted(folder: Path) -> frozenset[str]:
    """Have a group of version 2 hand its controllers on, and return those that it does."""
    control = folder / "cgroup.subtree_control"
    for name in _words(folder / "cgroup.controllers") & {"cpu", "memory", "pids"}:
        try:
            control.write_text(f"+{name}")
        except OSError:
            continue
    return _words(control)


def _words(file: Path) -> frozenset[str]:
    try:
        return frozenset(file.read_text().split())
    except OSError:
        return frozenset()


class Group:
    """An environment's group, in every hierarchy that serves one of its limits.

    `unlimited` says, in lines for people, which limits are not available here. CPUs are not limited
    before `throttle`, since an init has them whole; but however many processes there are, against
    the host they weigh as much as one.
    """

    def __init__(self, name: str, limits: Limits, homes: Iterable[Home]) -> None:
        """Make the group. Nothing is raised: what cannot be made is in `unlimited`."""
        self._name = name.encode()
        self._limits = limits
        self._folders: dict[Path, int] = {}
        self._served: dict[str, Path] = {}
        for home in homes:
            for controller in ({"cpu"} | _wanted(limits)) & home.controllers:
                if (controller, home.version) in _SERVED and controller not in self._served:
                    self._serve(controller, home, name)
        for home in homes:
            if not self._folders and home.version == 2:
                self._make(home, name)

    def __repr__(self) -> str:
        return f"<Group {', '.join(map(str, self._folders)) or 'nowhere'}>"

    def __contains__(self, pid: int) -> bool:
        """Tell whether a process is in the group, wherever it has fled to otherwise."""
        return bool(self._folders) and process_scan.in_group(pid, self._name)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The group's folder in each hierarchy."""
        return tuple(self._folders)

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel sees to the memory."""
        return "memory" in self._served

    @property
    def unlimited(self) -> tuple[str, ...]:
        """The limits that no control group gives here; of memory see `limits_memory`."""
        texts = {
            "cpu": f"functions run at full speed instead of {self._limits.cpus or 0:.2f} CPUs",
            "pids": f"processes are not limited to {self._limits.processes}",
        }
        missing = sorted(_wanted(self._limits) - self._served.keys() - {"memory"})
        return tuple(f"{texts[name]}: no {name} control group can be made here" for name in missing)

    def join(self) -> None:
        """Take the calling thread in, and with it all that it will start (version 1).

        It is the only way into a group without delay: to move a process makes the kernel wait for
        all CPUs, some 10 ms.
        """
        for folder, version in self._folders.items():
            if version == 1:
                _write(folder / "tasks", str(threading.get_native_id()))

    def add(self, pid: int) -> None:
        """Take a process in that has just been started (version 2, where threads cannot join).

        What it starts before the kernel has moved it, some 10 ms, stays outside.
        """
        for folder, version in self._folders.items():
            if version == 2:
                _write(folder / "cgroup.procs", str(pid))

    def throttle(self) -> None:
        """Limit the CPUs: the init is over."""
        if self._limits.cpus is not None:
            self._set_quota(max(_MIN_QUOTA_US, round(self._limits.cpus * _PERIOD_US)))

    def unthrottle(self) -> None:
        """Grant the CPUs whole: an init begins."""
        self._set_quota(None)

    def seal(self) -> None:
        """Let no process in the group start another one, or do much, so that all can be ended."""
        if folder := self._served.get("pids"):
            _write(folder / "pids.max", "0")
        self._set_quota(_MIN_QUOTA_US)

    def unseal(self) -> None:
        """Let processes start others again, and have the CPUs whole."""
        if folder := self._served.get("pids"):
            self._set_processes(folder)
        self._set_quota(None)

    def close(self) -> None:
        """Remove the group, whose processes have ended. Blocks for a moment at most."""
        for folder in self._folders:
            reaper_program.remove_group(str(folder), _LAST_BREATH_S)
        self._folders.clear()
        self._served.clear()

    def _serve(self, controller: str, home: Home, name: str) -> None:
        folder = self._make(home, name)
        if folder is None:
            return
        if controller == "pids" and not self._set_processes(folder):
            return
        if controller == "memory":
            # Lambda has no swap; a kernel without it has no such file.
            _write(folder / "memory.swap.max", "0")
            if not _write(folder / "memory.max", str((self._limits.memory_mb or 0) * MIB)):
                return
        self._served[controller] = folder

    def _make(self, home: Home, name: str) -> Path | None:
        folder = home.folder / name
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            return None
        self._folders[folder] = home.version
        return folder

    def _set_processes(self, folder: Path) -> bool:
        # The thread that has joined counts, too.
        host = 1 if self._folders[folder] == 1 else 0
        return _write(folder / "pids.max", str((self._limits.processes or 0) + host))

    def _set_quota(self, quota_us: int | None) -> None:
        folder = self._served.get("cpu")
        if folder is None:
            return
        if self._folders[folder] == 2:
            _write(folder / "cpu.max", f"{quota_us or 'max'} {_PERIOD_US}")
        else:
            _write(folder / "cpu.cfs_period_us", str(_PERIOD_US))
            _write(folder / "cpu.cfs_quota_us", str(quota_us or -1))


def _wanted(limits: Limits) -> frozenset[str]:
    values = {"cpu": limits.cpus, "memory": limits.memory_mb, "pids": limits.processes}
    return frozenset(name for name, value in values.items() if value is not None)


def _write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True
