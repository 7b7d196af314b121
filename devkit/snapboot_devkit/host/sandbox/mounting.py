"""A view of the file system of one's own: the program and the system calls that make it.

Run as a program it makes the view as an ordinary user, in a user namespace, and becomes the command
that follows. The standard library's cheapest modules alone are imported, since the start of every
process waits for this.
"""

from __future__ import annotations

import os
import stat
import sys

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_MS_RDONLY = 1
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
# Of a mount that the user did not make these must be kept (man 2 mount).
_LOCKED = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC

READ_ONLY = "ro"
WRITABLE = "rw"


def unshare(*, user: bool) -> None:
    """Give the calling thread mounts of its own; as an ordinary user, the process. Raises OSError.

    A process that has a second thread cannot enter a user namespace.
    """
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", _CLONE_NEWNS | (_CLONE_NEWUSER if user else 0))
    if user:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)


def bind(binds: list[tuple[str, str, str]]) -> None:
    """Make folders appear elsewhere, in order: mode, source, target. Raises OSError.

    All sources are what was there before the first. A target that is missing is made.
    """
    handles = [os.open(source, os.O_PATH | os.O_CLOEXEC) for _, source, _ in binds]
    try:
        for handle, (mode, _, target) in zip(handles, binds, strict=True):
            _make(target, like=handle)
            source = f"/proc/self/fd/{handle}".encode()
            _call("mount", source, target.encode(), None, _MS_BIND | _MS_REC, None)
            if mode == READ_ONLY:
                kept = os.statvfs(target).f_flag & _LOCKED
                flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept
                _call("mount", None, target.encode(), None, flags, None)
    finally:
        for handle in handles:
            os.close(handle)


def main() -> None:
    """Make the view that the arguments describe, and become the command after `--`."""
    end = sys.argv.index("--")
    words, command = sys.argv[1:end], sys.argv[end + 1 :]
    unshare(user=True)
    cwd = os.getcwd()  # noqa: PTH109
    modes, sources, targets = words[::3], words[1::3], words[2::3]
    bind(list(zip(modes, sources, targets, strict=True)))
    # Where it stands may have been covered.
    os.chdir(cwd)
    os.execvp(command[0], command)  # noqa: S606


def _call(name: str, *arguments: int | bytes | None) -> None:
    import ctypes  # noqa: PLC0415 - for --isolate alone

    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_ulong(word) if isinstance(word, int) else word for word in arguments]
    if getattr(libc, name)(*longs):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _make(target: str, *, like: int) -> None:
    """Make what something is to be bound to, in folders that are this view's own."""
    if stat.S_ISDIR(os.fstat(like).st_mode):
        os.makedirs(target, exist_ok=True)  # noqa: PTH103 - no pathlib: see above
    elif not os.path.exists(target):  # noqa: PTH110
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))


def _write(file: str, text: str) -> None:
    fd = os.open(file, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
