"""Runs in the function's interpreter: the process that becomes the snapshot, and its clones.

At `restore/next` the process stays where it is and clones itself on demand (`process.py`). It must
change nothing that a function can notice.
"""

import _socket
import _thread
import posix
import sys
from time import perf_counter_ns as clock
from time import sleep, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Defined in the same namespace by then.
    from collections.abc import Callable
    from typing import Any

    from snapboot_devkit.host.snapshots.process import (
        CLibrary,
        become_first,
        free_logging,
        jump,
        read,
        start_runtime,
        wait_for_children,
    )

# The backends: one clones with all that a restore would share, one is checkpointed from outside,
# and the other one forks.
CLONE = "clone"
CRIU = "criu"
# How often a checkpointed process looks whether it is one that was restored.
LOOK_S = 0.005
EXIT_REFUSED = 71
STANDARD_STREAMS = 2
# Values of init that are looked for among variables; a shorter text may be anything.
MIN_SECRET = 8
# Variables that a restored environment has of its own.
CHANGING = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "_X_AMZN_TRACE_ID",
)
MAX_SCANNED = 20_000
LATE_S = 1.0


class Control:
    """The connection to the rehearsal; a message is a line that Python can read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connect()

    def _connect(self) -> None:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._socket.connect(self._path)
        self._rest = b""

    def again(self) -> None:
        """Talk over a connection of this process's own."""
        self.close()
        self._connect()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    @property
    def released(self) -> bool:
        """Whether the checkpoint is taken: what sees this has been restored from it."""
        try:
            posix.stat(self._path + "-released")
        except OSError:
            return False
        return True

    @property
    def descriptor(self) -> int:
        """The descriptor of the connection."""
        return self._socket.fileno()

    def send(self, kind: str, **facts: object) -> None:
        """Send a message."""
        rest = memoryview(ascii({"kind": kind, **facts}).encode() + b"\n")
        while rest:
            rest = rest[self._socket.send(rest) :]

    def receive(self) -> str:
        """Wait for a word; return an empty one when the rehearsal is over."""
        while b"\n" not in self._rest:
            content = self._socket.recv(4096)
            if not content:
                return ""
            self._rest += content
        word, _, self._rest = self._rest.partition(b"\n")
        return word.decode()


def run(arguments: "list[str]", namespace: "dict[str, Any]") -> None:
    """Start the runtime as its script `bootstrap` does, in this process's place."""
    backend, path, task_root, own, token, script, *rest = arguments
    libc = CLibrary()
    if backend == CLONE:
        try:
            become_first(libc)
        except OSError as exc:
            Control(path).send("refused", reason=str(exc))
            posix._exit(EXIT_REFUSED)
    control = Control(path)
    watch = InitWatch(task_root, set(own.split(",")))
    rehearsal = SnapshotProcess(libc, control, watch, token, backend)
    start_runtime(script, rest, namespace, rehearsal.install)


class InitWatch:
    """What init opens, starts and asks, and the line of the user's code that did it."""

    def __init__(self, task_root: str, own: "set[str]") -> None:
        self._root = task_root.rstrip("/") + "/"
        self._own = own
        self.at_work = True
        self.began = time()
        self.files: dict[str, str] = {}
        self.sockets: list[tuple[Any, str]] = []
        self.threads: list[tuple[Any, str]] = []
        self.pipes: dict[int, str] = {}
        self.addresses: dict[str, tuple[str, str]] = {}
        sys.addaudithook(self._heard)
        # CPython 3.11 raises no event for them.
        self._wrap_start("start_new_thread")
        self._wrap_start("start_joinable_thread")
        self._wrap_pipe("pipe")
        self._wrap_pipe("pipe2")
        self._wrap_lookup("getaddrinfo")
        self._wrap_lookup("gethostbyname")

    def is_own(self, path: str) -> bool:
        """Return whether a file is the user's own: in the task root, and of no distribution."""
        if not path.startswith(self._root):
            return False
        top = path[len(self._root) :].partition("/")[0].partition(".")[0]
        return top in self._own

    def site(self) -> str:
        """Return the line of the user's code that is at work, else the nearest one at all."""
        frame: Any = sys._getframe(1)
        nearest = ""
        while frame is not None:
            path = frame.f_code.co_filename
            if self.is_own(path):
                return f"{path}:{frame.f_lineno}"
            hidden = path.startswith("<") or "/snapboot/" in path or path == __file__
            if not nearest and not hidden:
                nearest = f"{path}:{frame.f_lineno}"
            frame = frame.f_back
        return nearest

    def _heard(self, event: str, args: "tuple[Any, ...]") -> None:
        if not self.at_work:
            return
        try:
            if event == "open":
                self._opened(*args)
            elif event == "socket.__new__":
                self.sockets.append((args[0], self.site()))
        except Exception:
            pass

    def _opened(self, path: object, _mode: object, _flags: int) -> None:
        if isinstance(path, bytes):
            path = path.decode("utf-8", "replace")
        if isinstance(path, str):
            whole = path if path[:1] == "/" else f"{posix.getcwd()}/{path}"
            self.files[whole] = self.site()

    def _wrap_start(self, name: str) -> None:
        original = getattr(_thread, name, None)
        if original is None:
            return

        def start(function: "Any", *args: "Any", **kwargs: "Any") -> object:
            if self.at_work:
                self.threads.append((getattr(function, "__self__", None), self.site()))
            return original(function, *args, **kwargs)

        start.__name__ = name
        setattr(_thread, name, start)

    def _wrap_pipe(self, name: str) -> None:
        original = getattr(posix, name)

        def pipe(*args: int) -> "tuple[int, int]":
            ends: tuple[int, int] = original(*args)
            if self.at_work:
                self.pipes.update(dict.fromkeys(ends, self.site()))
            return ends

        pipe.__name__ = name
        setattr(posix, name, pipe)

    def _wrap_lookup(self, name: str) -> None:
        original = getattr(_socket, name)

        def look_up(host: "Any", *args: "Any", **kwargs: "Any") -> object:
            found = original(host, *args, **kwargs)
            if self.at_work:
                answers = [found] if isinstance(found, str) else [one[4][0] for one in found]
                for address in answers:
                    if address != host:
                        self.addresses[address] = (str(host), self.site())
            return found

        look_up.__name__ = name
        setattr(_socket, name, look_up)


class SnapshotProcess:
    """Takes the place of the Runtime API at the snapshot, and looks at the clones."""

    def __init__(
        self, libc: CLibrary, control: Control, watch: InitWatch, token: str, backend: str
    ) -> None:
        self._libc = libc
        self._backend = backend
        self._control = control
        self._watch = watch
        self._token = token
        self._registered = 0
        self._looked = False

    def install(self) -> None:
        """Take the places of the calls around the snapshot, and of those that run hooks."""
        from snapboot import snapstart
        from snapboot.api import RuntimeAPI

        self._restore_next = RuntimeAPI.restore_next
        self._next = RuntimeAPI.next_invocation
        patched: Any = RuntimeAPI

        def restore_next(api: RuntimeAPI) -> None:
            self.snapshot(api)

        def next_invocation(api: RuntimeAPI) -> "Any":
            return self.next(api)

        patched.restore_next = restore_next
        patched.next_invocation = next_invocation
        snapstart._run_before_hooks = self._run_before
        snapstart._run_after_hooks = self._run_after
        self._run = snapstart._run

    # ---- hooks -------------------------------------------------------------------------------

    def _registry(self) -> "Any":
        from snapboot.hooks import registry

        return registry()

    def _run_before(self) -> None:
        self._control.send("initialised", ns=clock())
        hooks = self._registry().get_before_snapshot()
        while hooks:
            self._timed("before", *hooks.pop())

    def _run_after(self) -> None:
        for registration in self._registry().get_after_restore():
            self._timed("after", *registration)

    def _timed(self, when: str, hook: "Callable[..., object]", args: "Any", kwargs: "Any") -> None:
        name = getattr(hook, "__qualname__", None) or type(hook).__qualname__
        began = clock()
        self._control.send("hook", when=when, name=name, where=place_of(hook))
        self._run(hook(*args, **kwargs))
        self._control.send("hook_done", when=when, ns=clock() - began)

    # ---- the snapshot ------------------------------------------------------------------------

    def snapshot(self, api: "Any") -> None:
        """Be the snapshot, and return in each clone."""
        began = clock()
        self._watch.at_work = False
        self._registered = len(self._registry().get_after_restore())
        self._held = descriptors({self._control.descriptor}, self._watch)
        if self._backend == CRIU:
            self._control.send("snapshot", found=self._captured(), jumped=False, ns=clock() - began)
            self._wait_for_release()
            self._wake(api)
            return
        found = [*self._threads(), *self._captured()]
        jumped = self._backend == CLONE and jump(self._libc)
        undo = wait_for_children()
        self._control.send("snapshot", found=found, jumped=jumped, ns=clock() - began)
        while self._control.receive() == "clone":
            process = self._libc.clone() if self._backend == CLONE else posix.fork()
            if process == 0:
                undo()
                free_logging()
                self._wake(api)
                return
            _, status = posix.waitpid(process, 0)
            self._control.send("exited", status=posix.waitstatus_to_exitcode(status))
        posix._exit(0)

    def _wait_for_release(self) -> None:
        """Wait to be checkpointed, and return in each process that is restored from that."""
        # A file of the output may grow between the restores, if it is known to be written at its
        # end alone.
        for stream in (1, 2):
            path = posix.readlink(f"/proc/self/fd/{stream}")
            output = posix.open(path, posix.O_WRONLY | posix.O_APPEND)
            posix.dup2(output, stream)
            posix.close(output)
        self._control.close()
        while not self._control.released:
            sleep(LOOK_S)
        # Sockets and pipes have other numbers now.
        self._held = {
            (descriptor, target_of(descriptor)): entry
            for (descriptor, _), entry in self._held.items()
        }

    def _wake(self, api: "Any") -> None:
        self._control.again()
        self._control.send("cloned", process=int(posix.readlink("/proc/self")))
        self._restore_next(api)

    def next(self, api: "Any") -> "Any":
        """Ask for the next event; before the first, look at what this clone has."""
        if not self._looked:
            self._looked = True
            self._control.send("ready")
            memory = read("/proc/self/smaps_rollup")  # before the look, which makes copies of pages
            draws = self._draws()
            self._control.send("restored", draws=draws, open=self._still_open(), memory=memory)
        late = self._registry().get_after_restore()[self._registered :]
        for hook, _, _ in late:
            self._control.send(
                "late", name=getattr(hook, "__qualname__", "a hook"), where=place_of(hook)
            )
        self._registered += len(late)
        return self._next(api)

    # ---- what is looked for ------------------------------------------------------------------

    def _threads(self) -> "list[tuple[str, str, str]]":
        found = []
        for thread, site in self._watch.threads:
            name = getattr(thread, "name", None)
            if thread is None or thread.is_alive():
                found.append(("threads", f"thread {name!r} is alive" if name else "a thread", site))
        return found

    def _captured(self) -> "list[tuple[str, str, str]]":
        """Look among the user's module variables for what will be out of date after a restore."""
        secrets = self._secrets()
        began, now = self._watch.began - LATE_S, time() + LATE_S
        found = []
        for name, module in list(sys.modules.items()):
            scope = getattr(module, "__dict__", None)
            if type(scope) is not dict:
                continue
            path = str(scope.get("__file__"))
            if not self._watch.is_own(path):
                continue
            for key, value in list(scope.items()):
                if key.startswith("__"):
                    continue
                found += [
                    (check, f"{text} in {name}.{key}", f"{path}:{line}")
                    for check, text in captured(value, secrets, self._watch.addresses, began, now)
                    for line in [line_of(path, key)]
                ]
        return found

    def _secrets(self) -> "dict[str, tuple[str, str]]":
        """Return values that change with the restore: of each the check, and what it is."""
        texts = {}
        for name, value in posix.environ.items():
            secret = name.startswith(b"AWS_") and name.endswith((b"_TOKEN", b"KEY", b"KEY_ID"))
            if secret or name.decode() in CHANGING:
                check = "credentials" if secret else "variables"
                what = f"the variable {name.decode()}"
                texts[value.decode("utf-8", "replace")] = check, what
        module = sys.modules.get("botocore.credentials")
        if module is not None:
            from snapboot.heap import search

            for one in search({"credentials"}).credentials:
                for part in ("_access_key", "_secret_key", "_token"):
                    text = getattr(one, part, None)
                    if isinstance(text, str):
                        texts[text] = "credentials", "a temporary credential"
        return {text: what for text, what in texts.items() if len(text) >= MIN_SECRET}

    def _draws(self) -> "dict[str, str]":
        """Draw from every generator that is loaded, and put its state back."""
        draws = {}
        for name, draw in DRAWS.items():
            try:
                drawn = draw()
            except Exception as exc:
                drawn = None
                self._control.send("trouble", text=f"cannot draw from {name}: {exc!r}")
            if drawn is not None:
                draws[name] = drawn
        from snapboot.heap import search

        places: dict[str, int] = {}
        for one, place in search({"generators"}).generators:
            places[place] = places.get(place, 0) + 1
            try:
                draws[f"own {places[place]} {place}"] = draw_of(one)
            except Exception as exc:  # a class of the function's own, as one without a state
                self._control.send("trouble", text=f"cannot draw from {place}: {exc!r}")
        if self._token:
            try:
                draws["token"] = self._declared()
            except Exception as exc:
                self._control.send("no_token", reason=repr(exc))
        return draws

    def _declared(self) -> str:
        module, _, name = self._token.rpartition(".")
        value: Any = __import__(module, fromlist=["*"])
        for part in name.split("."):
            value = getattr(value, part)
        return repr(value() if callable(value) else value)

    def _still_open(self) -> "list[tuple[str, str, str]]":
        """Return what was open at the snapshot and still is, after the hooks."""
        if self._backend == CRIU:  # connections have been ended, and have no peer
            return [
                entry
                for (descriptor, target), entry in self._held.items()
                if target and target_of(descriptor) == target
            ]
        now = descriptors({self._control.descriptor}, self._watch)
        return [entry for key, entry in self._held.items() if now.get(key) == entry]


def place_of(hook: "Any") -> str:
    """Return where a hook is defined, as far as that is known."""
    code = getattr(getattr(hook, "__func__", hook), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def target_of(descriptor: int) -> str:
    """Return what a descriptor stands for, as the kernel calls it; nothing for a closed one."""
    try:
        return posix.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def descriptors(
    without: "set[int]", watch: InitWatch
) -> "dict[tuple[int, str], tuple[str, str, str]]":
    """Return what is open beyond the standard streams: check, words, who opened it."""
    found = {}
    for name in posix.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            target = posix.readlink(f"/proc/self/fd/{name}")
        except OSError:  # that of the list itself
            continue
        if descriptor <= STANDARD_STREAMS or descriptor in without:
            continue
        entry = opened(descriptor, target, watch)
        if entry is not None:
            found[descriptor, target] = entry
    return found


def opened(descriptor: int, target: str, watch: InitWatch) -> "tuple[str, str, str] | None":
    """Return what a descriptor stands for if a restore may find it dead or shared."""
    if target.startswith("socket:"):
        peer = peer_of(descriptor)
        if peer is None:
            return None
        site = next((site for one, site in watch.sockets if number(one) == descriptor), "")
        return ("sockets", f"a connection to {peer} is open", site)
    if target.startswith("pipe:"):
        return (
            "pipes",
            f"a pipe is open (descriptor {descriptor})",
            watch.pipes.get(descriptor, ""),
        )
    if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/memfd:")):
        path = target.removesuffix(" (deleted)")
        site = watch.files.get(path, "")
        return ("files", f"the file {path!r} is open", site) if site else None
    return None


def number(one: "Any") -> int:
    """Return the descriptor of a socket object; -1 for a closed one."""
    try:
        result: int = one.fileno()
    except Exception:
        return -1
    return result


def peer_of(descriptor: int) -> "str | None":
    """Return whom a TCP connection is with; None for other sockets, and for ends within the VM."""
    copy = _socket.socket(fileno=posix.dup(descriptor))
    try:
        if copy.family not in (_socket.AF_INET, _socket.AF_INET6):
            return None
        if copy.type != _socket.SOCK_STREAM:
            return None
        peer = copy.getpeername()
        return f"{peer[0]}:{peer[1]}"
    except OSError:  # not connected
        return None
    finally:
        copy.close()


def captured(
    value: "Any",
    secrets: "dict[str, tuple[str, str]]",
    addresses: "dict[str, tuple[str, str]]",
    began: float,
    now: float,
    depth: int = 0,
) -> "list[tuple[str, str]]":
    """Return what is out of date after a restore in a value: check, and what it is."""
    if isinstance(value, str):
        if value in secrets:
            check, what = secrets[value]
            return [(check, f"{what} is kept")]
        if value in addresses:
            return [("dns", f"the address of {addresses[value][0]!r} is kept")]
        return []
    if type(value) in (int, float):
        for unit in (1, 1e3, 1e6, 1e9):
            if began * unit <= value <= now * unit:
                return [("timestamps", "the time of the init is kept")]
        return []
    if type(value).__module__ == "datetime" and hasattr(value, "timestamp"):
        try:
            moments = [value.timestamp()]
            if value.tzinfo is None:  # it may be UTC as well
                moments.append(
                    value.replace(tzinfo=sys.modules["datetime"].timezone.utc).timestamp()
                )
        except (OverflowError, ValueError):
            return []
        if any(began <= moment <= now for moment in moments):
            return [("timestamps", "the time of the init is kept")]
        return []
    parts: list[Any] = []
    if depth < 2:
        if isinstance(value, dict):
            parts = list(value.values())
        elif isinstance(value, (list, tuple, set)):
            parts = list(value)
        elif depth == 0 and type(value).__module__ in sys.modules and not isinstance(value, type):
            scope = getattr(value, "__dict__", None)
            own = getattr(sys.modules[type(value).__module__], "__file__", "") or ""
            if type(scope) is dict and type(value) is not type(sys) and "site-packages" not in own:
                parts = list(scope.values())
    found: list[tuple[str, str]] = []
    for part in parts[:MAX_SCANNED]:
        found += captured(part, secrets, addresses, began, now, depth + 1)
    return found[:1]


def line_of(path: str, name: str) -> int:
    """Return the line that gives a module's variable its value; 1 where it is not found."""
    try:
        with open(path, encoding="utf-8") as source:
            for index, line in enumerate(source, 1):
                head, equals, _ = line.partition("=")
                if equals and head.partition(":")[0].strip() == name:
                    return index
                if line.startswith("from ") and name in line:
                    return index
    except (OSError, ValueError):
        pass
    return 1


# ---- drawing without a trace --------------------------------------------------------------------


def draw_random() -> "str | None":
    """Draw from random's own generator."""
    one = getattr(sys.modules.get("random"), "_inst", None)
    return None if one is None else draw_of(one)


def draw_numpy() -> "str | None":
    """Draw from numpy's global generator."""
    one = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    return None if one is None else draw_of(one)


def draw_of(one: "Any") -> str:
    """Draw 64 bits, and put the state back."""
    if hasattr(one, "getstate"):
        state = one.getstate()
        drawn = one.getrandbits(64)
        one.setstate(state)
        return f"{drawn:x}"
    if hasattr(one, "get_state"):
        state = one.get_state()
        drawn = one.bytes(8)
        one.set_state(state)
    else:
        state = one.bit_generator.state
        drawn = one.bytes(8)
        one.bit_generator.state = state
    return str(drawn.hex())


def draw_uuid1() -> "str | None":
    """Return the part of a uuid1 that differs between machines."""
    module: Any = sys.modules.get("uuid")
    if not hasattr(module, "uuid1"):
        return None
    one = module.uuid1()
    return f"{one.node:x} {one.clock_seq:x}" if hasattr(module, "_node") else None


def draw_name() -> "str | None":
    """Return the next temporary name."""
    names = getattr(sys.modules.get("tempfile"), "_name_sequence", None)
    if names is None:
        return None
    state = names.rng.getstate()
    name = next(names)
    names.rng.setstate(state)
    return str(name)


def draw_openssl() -> "str | None":
    """Draw from OpenSSL, whose state cannot be put back."""
    draw = getattr(sys.modules.get("_ssl"), "RAND_bytes", None)
    return None if draw is None else str(draw(16).hex())


DRAWS = {
    "random": draw_random,
    "numpy": draw_numpy,
    "uuid1": draw_uuid1,
    "tempfile": draw_name,
    "openssl": draw_openssl,
}
