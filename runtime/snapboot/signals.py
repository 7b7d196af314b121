"""The wait for the next event where the function handles SIGTERM in Python.

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
STDERR = 2


def wait_readable(descriptor: int) -> None:
    """Return once the descriptor can be read, or its peer is gone. Raises what a handler raises.

    Returns at once where signals cannot be waited for: outside the main thread, which runs all
    handlers, and where the process has no descriptor left.
    """
    try:
        woken, wakeup = _pipe_above_standard_streams()
    except OSError:
        return
    try:
        _wait(descriptor, woken, wakeup)
    finally:
        posix.close(woken)
        posix.close(wakeup)


def _pipe_above_standard_streams() -> tuple[int, int]:
    """Make a pipe of which no end is a closed standard stream's, as what prints may write there."""
    low: list[int] = []
    try:
        while min(ends := posix.pipe()) <= STDERR:
            low += ends
    finally:
        for descriptor in low:
            posix.close(descriptor)
    for descriptor in ends:
        posix.set_blocking(descriptor, False)
    return ends


def _wait(descriptor: int, woken: int, wakeup: int) -> None:
    watch = poll()
    watch.register(woken, POLLIN)
    try:
        watch.register(descriptor, POLLIN)
    except ValueError:  # the function has closed the connection, as a call of it will say
        return
    try:
        functions_own = set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    except BaseException as exc:
        if type(exc) is ValueError and exc.__traceback__ and not exc.__traceback__.tb_next:
            return  # not the main thread
        set_wakeup_fd(NO_DESCRIPTOR)  # a handler, of a signal that came just before, has raised
        raise
    try:
        _poll(watch, descriptor, woken, functions_own)
    finally:
        _give_back(functions_own, wakeup)
        _pass_on(woken, functions_own)


def _poll(watch: "poll", descriptor: int, woken: int, functions_own: int) -> None:
    """Poll until the descriptor is ready.

    A signal from before the wake-up descriptor was set has to be met first. CPython 3.14 may look
    for it only when a function of Python's is entered, as here; 3.11 and 3.12 learn that another
    thread was given one only as they take the interpreter's lock again, as the first poll does.
    """
    watch.poll(0)
    while descriptor not in [ready for ready, _ in watch.poll()]:
        _pass_on(woken, functions_own)


def _pass_on(woken: int, functions_own: int) -> None:
    """Inform the function's own wake-up descriptor, an event loop's say, of what has come."""
    try:
        signals = posix.read(woken, SIGNALS)
        if functions_own != NO_DESCRIPTOR:
            posix.write(functions_own, signals)
    except OSError:  # nothing has come, or the function has closed its own
        pass


def _give_back(functions_own: int, wakeup: int) -> None:
    """Set the function's own wake-up descriptor again, unless a handler has set another."""
    try:
        current = set_wakeup_fd(functions_own, warn_on_full_buffer=False)
    except (OSError, ValueError):  # a handler has closed it
        current = set_wakeup_fd(NO_DESCRIPTOR)
    if current != wakeup:
        set_wakeup_fd(current, warn_on_full_buffer=False)
