"""The wait for the Runtime API where the function handles SIGTERM in Python.

Such a handler runs between two steps of Python. A signal that comes after the last of them, but
before the kernel begins to wait, or that the kernel gives to another thread, interrupts nothing:
its handler would run with the next event, and an environment that ends has none. So where there is
such a handler the wait is a `poll`, which the interpreter's wake-up descriptor ends, too.
"""

import posix
from _signal import set_wakeup_fd  # type: ignore[import-not-found]
from select import POLLIN, poll

# Signals of which a wake-up descriptor has been informed, a byte each.
SIGNALS = 4096
NO_DESCRIPTOR = -1


def wait_readable(descriptor: int) -> None:
    """Return once the descriptor can be read, or its peer is gone. Raises what a handler raises.

    Returns at once where signals cannot be waited for: outside the main thread, which runs all
    handlers, and where the process has no descriptor left.
    """
    try:
        woken, wakeup = posix.pipe()
    except OSError:
        return
    try:
        posix.set_blocking(woken, False)
        posix.set_blocking(wakeup, False)
        try:
            functions_own = set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        except ValueError:
            return
        watch = poll()
        watch.register(descriptor, POLLIN)
        watch.register(woken, POLLIN)
        try:
            while descriptor not in [ready for ready, _ in watch.poll()]:
                _pass_on(woken, functions_own)
        finally:
            _give_back(functions_own)
            _pass_on(woken, functions_own)
    finally:
        posix.close(woken)
        posix.close(wakeup)


def _pass_on(woken: int, functions_own: int) -> None:
    """Inform the function's own wake-up descriptor, an event loop's say, of what has come."""
    try:
        signals = posix.read(woken, SIGNALS)
        if functions_own != NO_DESCRIPTOR:
            posix.write(functions_own, signals)
    except OSError:  # nothing has come, or the function has closed its own
        pass


def _give_back(functions_own: int) -> None:
    try:
        set_wakeup_fd(functions_own)
    except (OSError, ValueError):  # a handler has closed it
        set_wakeup_fd(NO_DESCRIPTOR)
