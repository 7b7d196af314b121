"""What a restored process must not share with its siblings, renewed after each restore.

Every environment that is restored from one snapshot starts with the same memory. What reads the
kernel's generator is safe (`secrets`, `uuid4`); what keeps a state of its own is renewed here:
random generators, connections that have ended, credentials that have expired. Each item concerns a
module that the function has loaded; none is loaded for its sake.

What takes long, the search of the heap, is done before the snapshot, where it happens once.
"""

import posix
import sys
from time import perf_counter_ns

from .environment import SettingError, environment, variable
from .heap import Found, search
from .logs import log_debug, log_warning, wants_debug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTING = "SNAPBOOT_RESTORE_SAFETY"
OFF = "off"
# All that `SNAPBOOT_RESTORE_SAFETY` can switch off, as `no-random`.
ITEMS = (
    "random", "numpy", "tempfile", "uuid", "openssl", "pools", "credentials", "log", "generators",
)  # fmt: skip
ENTROPY_BYTES = 48
# RFC 9562, 6.10: a random node id has this bit set, which no network card has.
MULTICAST_BIT = 1 << 40


class RestoreSafety:
    """The items for one snapshot: `look` before it, `renew` after it, `warn` after the hooks."""

    __slots__ = ("_done", "_found", "_off", "_states")

    def __init__(self) -> None:
        """Read the setting. Raises SettingError."""
        self._off = _switched_off(variable(SETTING) or "")
        self._found = Found()
        self._states: list[object] = []
        self._done: list[str] = []

    def __repr__(self) -> str:
        return f"<RestoreSafety without {', '.join(sorted(self._off)) or 'nothing'}>"

    def look(self) -> None:
        """Find what must be renewed and what cannot be, on the heap as the snapshot keeps it."""
        kinds = {"pools", "credentials", "generators"} - self._off
        try:
            self._found = search(kinds)
            self._states = [_state_of(one) for one, _ in self._found.generators]
        except Exception as exc:  # what is on the heap is the function's
            log_warning(f"snapboot: restore safety could not search the heap: {exc!r}")

    def renew(self) -> None:
        """Renew what all restored environments would share, and report it in one debug line."""
        began = perf_counter_ns()
        for item in ITEMS:
            renewal = _RENEWALS.get(item)
            if renewal is None or item in self._off:
                continue
            try:
                done = renewal(self._found)
            except Exception as exc:  # a module of the function's that has one of these names
                log_warning(f"snapboot: restore safety could not renew {item!r}: {exc!r}")
                continue
            if done:
                self._done.append(done)
        self._found.pools = self._found.credentials = ()
        if wants_debug():
            took_ms = (perf_counter_ns() - began) / 1e6
            off = f"; switched off: {', '.join(sorted(self._off))}" if self._off else ""
            done = ", ".join(self._done) or "nothing to renew"
            log_debug(f"snapboot: restore safety: {done}{off}; {took_ms:.2f} ms")

    def warn(self) -> None:
        """Name the function's own generators that are as they were, the after-hooks having run."""
        shared = []
        found, states = self._found.generators, self._states
        alone = object()
        unused = sys.getrefcount(alone)  # by a name here, and by the call on some versions
        while found:
            one, place = found.pop()
            state = states.pop()
            if sys.getrefcount(one) > unused and _is_unchanged(one, state):
                shared.append(place)  # else a hook has renewed it
        if shared:
            log_warning(
                "snapboot: made before the snapshot, so all environments that are restored from it"
                f" draw the same numbers from: {'; '.join(sorted(shared))}. Seed or make them again"
                " in a function given to snapboot.after_restore"
            )


def _switched_off(value: str) -> "frozenset[str]":
    """Read `off`, or `no-` and an item for each that is switched off, separated by commas."""
    words = [word.strip() for word in value.split(",") if word.strip()]
    if words == [OFF]:
        return frozenset(ITEMS)
    choices = [f"no-{item}" for item in ITEMS]
    unknown = [word for word in words if word not in choices]
    if unknown:
        raise SettingError(
            f"{SETTING} is {value!r}; it can be {OFF}, any of {', '.join(choices)} separated by"
            " commas, or left unset"
        )
    return frozenset(word.removeprefix("no-") for word in words)


def _renew_random(_found: Found) -> str:
    inst = getattr(sys.modules.get("random"), "_inst", None)
    if inst is None:  # not loaded, or a module of the function's of that name
        return ""
    inst.seed()
    return "random seeded"


def _renew_numpy(_found: Found) -> str:
    own = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    if own is None:
        return ""
    own.seed()
    return "numpy.random seeded"


def _renew_tempfile(_found: Found) -> str:
    module = sys.modules.get("tempfile")
    names = getattr(module, "_name_sequence", None)
    if names is None:  # no name has been made
        return ""
    names._rng_pid = None  # makes a new generator, as after a fork; the function may have it, too
    return "names of tempfile"


def _renew_uuid(_found: Found) -> str:
    module: Any = sys.modules.get("uuid")
    if not hasattr(module, "_node"):
        return ""
    # libuuid keeps node and clock sequence out of reach: Python's own way takes its place. `uuid1`
    # draws the clock sequence from `random` at each call.
    if hasattr(module, "_generate_time_safe"):
        module._generate_time_safe = None
    module._node = int.from_bytes(posix.urandom(6), "big") | MULTICAST_BIT
    for name in ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
        if hasattr(module, name):
            setattr(module, name, None)
    return "node of uuid"


def _renew_openssl(_found: Found) -> str:
    add = getattr(sys.modules.get("_ssl"), "RAND_add", None)
    if add is None:
        return ""
    # To what OpenSSL has, whose state is a copy of its siblings'.
    add(posix.urandom(ENTROPY_BYTES), float(ENTROPY_BYTES))
    return "OpenSSL stirred"


def _empty_pools(found: Found) -> str:
    """Close pooled connections, whatever their age seems to be: the clocks may have jumped.

    The pool stays, and so do its clients; a connection is opened again at its next use.
    """
    closed = 0
    for pool in found.pools:
        queue = pool.pool  # None: the function has closed the pool
        for connection in list(queue.queue) if queue is not None else ():
            if connection is not None:
                connection.close()
                closed += 1
    return f"{closed} pooled connections closed" if closed else ""


def _expire_credentials(found: Found) -> str:
    """Have botocore fetch credentials from the container's endpoint before their next use."""
    expired = 0
    for credentials in found.credentials:
        expiry = credentials._expiry_time
        if expiry is not None:  # else they have not been fetched yet
            credentials._expiry_time = expiry.replace(year=1970, month=1, day=1)
            expired += 1
    return f"{expired} credentials of botocore to be fetched" if expired else ""


def _check_log(_found: Found) -> str:
    """Go on with standard output where the platform's log descriptor has not survived."""
    descriptor = environment.log_fd
    if descriptor is None:
        return ""
    environment.log_frames = None  # with a lock that a lost thread may hold
    try:
        posix.fstat(descriptor)
    except OSError:
        environment.log_fd = None
        return "log on standard output"
    return "log"


_RENEWALS = {
    "random": _renew_random,
    "numpy": _renew_numpy,
    "tempfile": _renew_tempfile,
    "uuid": _renew_uuid,
    "openssl": _renew_openssl,
    "pools": _empty_pools,
    "credentials": _expire_credentials,
    "log": _check_log,
}


def _is_unchanged(generator: "Any", state: object) -> bool:
    try:
        return bool(_state_of(generator) == state)
    except Exception:  # what the state consists of is the function's own
        return False


def _state_of(generator: "Any") -> object:
    """Return a generator's state as something that compares by value.

    A class of the function's own may have none; what is returned then equals nothing.
    """
    try:
        if hasattr(generator, "getstate"):  # random.Random
            return generator.getstate()
        owner = getattr(generator, "bit_generator", None)  # numpy's Generator; else its RandomState
        return _plain(owner.state if owner is not None else generator.get_state())
    except Exception:
        return object()


def _plain(value: "Any") -> object:
    if isinstance(value, dict):
        return [(name, _plain(part)) for name, part in value.items()]
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.tobytes() if hasattr(value, "tobytes") else value
