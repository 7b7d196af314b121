"""The processes of one execution environment, as one thing: started, stopped, watched, ended.

Nothing outlives it: neither what leaves its process group, nor what leaves its session, as long as
it keeps the environment's mark among its variables or the kernel keeps it in its control group.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import folders
from snapboot_devkit.host.protocol import KIB
from snapboot_devkit.host.sandbox import cgroups, limits, process_scan, reaper_program
from snapboot_devkit.host.sandbox.child import Child, Spawner, start
from snapboot_devkit.host.sandbox.limits import Limits

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from snapboot_devkit.host.execution.environment import LocalEnvironment
    from snapboot_devkit.host.sandbox.child import ClonedProcess
    from snapboot_devkit.host.sandbox.mount_namespace import MountNamespace
    from snapboot_devkit.host.sandbox.reaper import Reaper

# Between two looks at the memory: far from the limit, and near it, where a function that goes on
# as fast as it can takes some 30 MB from one look to the next.
_LOOK_S: Final = 0.1
_LOOK_CLOSELY_S: Final = 0.02
_NEAR: Final = 0.5
# In the moment of its start a process seems to take what its parent takes: look twice.
_LOOKS_TO_BE_SURE: Final = 2
# A process that has left its group is looked for in all of /proc, and so only in an environment
# that has been still for this long, not between two invocations that follow each other closely.
_SEARCH_AFTER_S: Final = 0.2
_MAX_SEARCHES: Final = 10


class Sandbox:
    """The runtime and the external extensions of one environment.

    `mark` is a variable, `NAME=value`, that all processes are given by `environ` and no others
    have. `owner` hears of what they print and of their ends, by name; the runtime has the name
    None. With a `reaper` they end even if the host is killed.
    """

    def __init__(
        self,
        owner: LocalEnvironment,
        mark: str,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        reaper: Reaper | None = None,
    ) -> None:
        """Prepare the limits; nothing runs before `spawn`."""
        self._owner = owner
        self._mark = mark
        self._limits = limits
        # Set before the first process is spawned, all live in it.
        self.namespace: MountNamespace | None = None
        self._reaper = reaper
        # Hears of each line that the process of a name has printed.
        self.printed = owner.printed
        # Lives as long as the environment, through every reset, as /tmp does on Lambda.
        self.temporary = folders.temporary("snapboot-tmp-")
        self._group = cgroups.Group(f"snapboot-{os.urandom(16).hex()}", limits, cgroups.homes())
        self._spawner = Spawner(self._join)
        self._children: dict[str | None, Child] = {}
        # Guards what the threads ask that look for runaways: the sessions of those who may live.
        self._lock = threading.Lock()
        self._living: set[int] = set()
        self._frozen = False
        self._runaways: set[int] = set()
        self._search: asyncio.Task[None] | None = None
        self._look_at: asyncio.TimerHandle | None = None
        self._looks_above = 0
        self.out_of_memory = False
        self._send_reaper(reaper_program.MARK, mark)
        self._send_reaper(reaper_program.FOLDER, self.temporary)
        for folder in self._group.folders:
            self._send_reaper(reaper_program.GROUP, folder)

    def __repr__(self) -> str:
        state = "frozen" if self._frozen else "running"
        return f"<Sandbox {state}, {list(self._children.values())}>"

    @property
    def unlimited(self) -> tuple[str, ...]:
        """The limits that cannot be had on this machine, a line for people each."""
        watched = self._limits.memory_mb is None or self._group.limits_memory
        missing = None if watched else limits.missing_memory_watch()
        return (*self._group.unlimited, *([missing] if missing else []))

    @property
    def living(self) -> frozenset[int]:
        """The processes that were spawned and have not ended."""
        with self._lock:
            return frozenset(self._living)

    # ---- processes ---------------------------------------------------------------------------

    def spawn(
        self, name: str | None, command: Sequence[str], cwd: Path, environ: Mapping[str, str]
    ) -> None:
        """Start the runtime (None), or an extension. Raises LaunchError."""
        self.adopt(
            name,
            lambda: self._spawner.start(lambda: start(self._entering(command), cwd, environ)),
        )

    def adopt(
        self, name: str | None, begin: Callable[[], subprocess.Popen[bytes] | ClonedProcess]
    ) -> None:
        """Watch the process that `begin` starts. Raises what that does."""
        self.thaw()
        self._group.unseal()
        # No thread may judge the newcomer before it is known.
        with self._lock:
            popen = begin()
            self._living.add(popen.pid)
        if self._limits.files is not None:
            limits.limit_files(popen.pid, self._limits.files)
        self._send_reaper(reaper_program.SESSION, popen.pid)
        self._children[name] = Child(popen, name, self)
        self.out_of_memory = False
        self._watch_memory()

    def terminate(self, name: str | None) -> None:
        """Ask a process and its group to end, which it can only when it is not frozen."""
        self.thaw()
        self._signal(name, signal.SIGTERM)

    def kill(self, name: str | None) -> None:
        """End a process and all that has not fled its session, at once and without asking."""
        self._signal(name, signal.SIGKILL)

    def flush(self) -> None:
        """Pass on to the owner all that has been printed by now."""
        for child in self._children.values():
            child.flush()

    def peak_mb(self) -> int | None:
        """Return the most memory taken so far, in MB, rounded up, or None where unknown."""
        return -(-sum([child.peak_kib() for child in self._children.values()]) // KIB) or None

    def close(self) -> None:
        """Let go of limits and temporary files, once all processes have exited."""
        self._stop_looking()
        folders.remove(self.temporary)
        self._send_reaper(reaper_program.FORGET + reaper_program.FOLDER, self.temporary)
        for folder in self._group.folders:
            self._send_reaper(reaper_program.FORGET + reaper_program.GROUP, folder)
        self._send_reaper(reaper_program.FORGET + reaper_program.MARK, self._mark)
        self._spawner.close()
        self._group.close()

    # ---- between invocations -----------------------------------------------------------------

    def freeze(self) -> None:
        """Stop all processes, as Lambda does when nothing is to be done. Twice is no harm."""
        if self._frozen:
            return
        self._frozen = True
        self._stop_looking()
        for child in self._children.values():
            child.signal(signal.SIGSTOP)
        self._search = asyncio.get_running_loop().create_task(self._stop_runaways())

    def thaw(self) -> None:
        """Let all processes go on. Twice is no harm."""
        if not self._frozen:
            return
        self._frozen = False
        self._stop_looking()
        for pid in self._runaways:
            process_scan.send(pid, signal.SIGCONT, self._is_runaway)
        self._runaways.clear()
        for child in self._children.values():
            child.signal(signal.SIGCONT)
        self._watch_memory()

    def throttle(self) -> None:
        """Limit the CPUs to the function's share: the init is over."""
        self._group.throttle()

    def unthrottle(self) -> None:
        """Grant whole CPUs, as for an init."""
        self._group.unthrottle()

    # ---- the children's parent ---------------------------------------------------------------

    def child_started(self, child: Child) -> None:
        """Have the kernel count a child in."""
        self._group.add(child.pid)

    def child_ended(self, child: Child) -> None:
        """End what a child has left in its session; with the last one, all that is left."""
        with self._lock:
            self._living.discard(child.pid)
            if not self._living:
                self._group.seal()

        def doomed(pid: int) -> bool:
            _, session = process_scan.standing(pid)
            if session == child.pid:
                return True
            with self._lock:
                return not self._living and session > 0 and self._is_ours(pid)

        process_scan.end(doomed)

    def child_exited(self, child: Child, code: int) -> None:
        """Pass an end on."""
        self._send_reaper(reaper_program.FORGET + reaper_program.SESSION, child.pid)
        self._owner.exited(child.name, code)

    # ---- inside ------------------------------------------------------------------------------

    def _join(self) -> None:
        self._group.join()
        if self.namespace:
            self.namespace.join()

    def _entering(self, command: Sequence[str]) -> Sequence[str]:
        return self.namespace.entering(command) if self.namespace else command

    def _signal(self, name: str | None, number: int) -> None:
        if child := self._children.get(name):
            child.signal(number)

    def _send_reaper(self, verb: str, value: object) -> None:
        if self._reaper:
            self._reaper.send(verb, value)

    def _is_ours(self, pid: int) -> bool:
        return process_scan.carries(pid, self._mark) or pid in self._group

    def _is_runaway(self, pid: int) -> bool:
        """Tell whether a process is the environment's, but out of its groups' reach."""
        group, session = process_scan.standing(pid)
        with self._lock:
            if session in self._living:
                return group != session
        return session > 0 and self._is_ours(pid)

    async def _stop_runaways(self) -> None:
        """Stop those whom the groups' signals have not reached, until no new ones turn up."""
        await asyncio.sleep(_SEARCH_AFTER_S)
        for _ in range(_MAX_SEARCHES):
            found = set(await asyncio.to_thread(process_scan.find, self._is_runaway))
            if found <= self._runaways:
                return
            for pid in found - self._runaways:
                process_scan.send(pid, signal.SIGSTOP, self._is_runaway)
            self._runaways |= found

    def _stop_looking(self) -> None:
        if self._search is not None:
            self._search.cancel()
            self._search = None
        if self._look_at is not None:
            self._look_at.cancel()
            self._look_at = None

    def _watch_memory(self, delay_s: float = _LOOK_S) -> None:
        """Look at the memory now and then, since a process that has ended cannot be asked."""
        if self._look_at is None and not self._frozen:
            self._look_at = asyncio.get_running_loop().call_later(delay_s, self._look)

    def _look(self) -> None:
        self._look_at = None
        living = self.living
        if not living:
            return
        taken_mb = self.peak_mb() or 0
        limit_mb = self._limits.memory_mb
        if limit_mb is None or self._group.limits_memory or taken_mb <= limit_mb * _NEAR:
            self._watch_memory()
            return
        above = taken_mb > limit_mb and limits.exceeds(living, limit_mb * KIB)
        self._looks_above = self._looks_above + 1 if above else 0
        if self._looks_above >= _LOOKS_TO_BE_SURE:
            self._run_out_of_memory()
        self._watch_memory(_LOOK_CLOSELY_S)

    def _run_out_of_memory(self) -> None:
        """Do as Lambda's kernel does: SIGKILL for the runtime, or if there is none for all."""
        self.out_of_memory = True
        runtime = self._children.get(None)
        for child in [runtime] if runtime else self._children.values():
            child.signal(signal.SIGKILL)
