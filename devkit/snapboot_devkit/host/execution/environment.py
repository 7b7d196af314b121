"""One execution environment for real: performs what its lifecycle asks for.

Its processes, the APIs that they call, its log and the timer of its deadline belong to it.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, get_args

from snapboot_devkit.host import folders
from snapboot_devkit.host.errors import HostError, NoSnapshotError
from snapboot_devkit.host.execution import packaged
from snapboot_devkit.host.execution.api import Call, EnvironmentApi
from snapboot_devkit.host.execution.clock import Clock
from snapboot_devkit.host.execution.freezer import Freezer
from snapboot_devkit.host.execution.relay import Relay
from snapboot_devkit.host.http.refusal_line import refusal_line
from snapboot_devkit.host.identity import new_id
from snapboot_devkit.host.lifecycle import effects, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.single import SingleEnvironment
from snapboot_devkit.host.lifecycle.states import ENDING, EnvironmentState
from snapboot_devkit.host.routes.services import Credentials, Services
from snapboot_devkit.host.sandbox.environ import (
    SandboxPaths,
    extension_environ,
    runtime_environ,
)
from snapboot_devkit.host.sandbox.limits import of_lambda
from snapboot_devkit.host.sandbox.mount_namespace import prepare
from snapboot_devkit.host.sandbox.output import LOG_SOCKET, LogSocket
from snapboot_devkit.host.sandbox.sandbox import Sandbox
from snapboot_devkit.host.telemetry.logs import (
    EnvironmentInfo,
    EventLog,
    LineFormatter,
    LogStream,
    Source,
)
from snapboot_devkit.host.telemetry.subscribers import Telemetry
from snapboot_devkit.lazy_dataclass import filled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias

    from snapboot_devkit.host.callers.in_process import Caller
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.shared import Shared
    from snapboot_devkit.host.http.exchange import Head, Response
    from snapboot_devkit.host.lifecycle.core import Environment
    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import Invocation
    from snapboot_devkit.host.sandbox.child import ClonedProcess
    from snapboot_devkit.host.sources.code import Code, ExtensionFile

    # Returns what restores a snapshot for an environment, by its variables.
    Restore: TypeAlias = Callable[[Mapping[str, str]], ClonedProcess]
    Restores: TypeAlias = Callable[["LocalEnvironment"], Awaitable[Restore]]

# How long a role's temporary credentials last, on Lambda usually.
_CREDENTIALS_LAST_S: Final = 6 * 3600.0
# For telemetry that is still owed when the environment goes.
_LAST_TELEMETRY_S: Final = 1.0


@dataclass(slots=True, eq=False)
class _Work:
    """An invocation that is not over: who waits for it, and what passes a stream on."""

    caller: Caller
    relay: Relay | None = None

    def end_stream(self) -> None:
        """Pass nothing on any more."""
        if self.relay is not None:
            self.relay.cut()
            self.relay = None


class _Acts(dict[type, "Callable[..., None]"]):
    """What performs each kind of effect; one that no one performs is an error."""

    def __missing__(self, kind: type) -> NoReturn:
        raise TypeError(f"{kind.__name__!r} is an effect that no one performs; add it here")


class LocalEnvironment:
    """An execution environment on this machine."""

    def __init__(  # noqa: PLR0913 - two of them for snapshots alone
        self,
        config: FunctionConfig,
        code: Code,
        shared: Shared,
        on_change: Callable[[], None],
        note: Callable[[str], None],
        *,
        restored_from: Restores | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Prepare an environment of a function; nothing runs before `open`.

        `on_change` is called after every step, `note` with what is not as on Lambda. With
        `restored_from` its runtime is not started but restored; `command` starts it in another way
        than the function's own.
        """
        self._restores = restored_from
        self._waking: asyncio.Task[None] | None = None
        self._command = command
        self.variables: Mapping[str, str] = {}
        self._config = config
        self._code = code
        self._shared = shared
        self._on_change = on_change
        self._note = note
        today = time.strftime("%Y/%m/%d", time.gmtime())
        self.log_stream = f"{today}/[$LATEST]{os.urandom(16).hex()}"
        self._managed = config.initialization is terms.InitializationType.MANAGED_INSTANCES
        self._extensions = {one.name: one for one in self._code.extensions}
        rules = replace(config.rules, extensions=tuple(self._extensions))
        if restored_from is not None:
            # The snapshot's own limit comes first, and what it says is the callers' answer.
            rules = replace(rules, init_limit_s=rules.init_limit_s + rules.restore_limit_s)
        # What happens goes in by this object alone; others may look.
        self.lifecycle = _core(rules)
        self.state = self.lifecycle.state
        self._ends_printing = msg.AnswerEnded if self._managed else msg.NextCalled
        self._clock = Clock()
        facts = _facts(config, self.log_stream)
        self._telemetry = Telemetry(facts)
        log = LogStream(shared.log, config.name, self.log_stream)
        self._journal = EventLog(_form(config, facts), log, self._telemetry)
        self._api = EnvironmentApi(self, config, _services(config), self._refused)
        self._sandbox: Sandbox
        self._worker_logs: LogSocket | None = None
        self._freezer: Freezer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._last_telemetry: asyncio.Task[bool] | None = None
        self._dead = asyncio.Event()

    def __repr__(self) -> str:
        return f"<LocalEnvironment {self.state.value}, log stream {self.log_stream!r}>"

    def renew_services(self) -> None:
        """Give a restored environment fresh credentials, as the platform does."""
        known = self._api.services
        if known.credentials:
            self._api.services = replace(
                known, credentials=_fresh_credentials(), before_snapshot=False
            )

    def take_tokens(self, services: Services) -> None:
        """Serve by the tokens of the snapshot: what init has read is good after the restore."""
        self._api.services = replace(
            self._api.services,
            metadata_token=services.metadata_token,
            credentials_token=services.credentials_token,
        )

    @property
    def services(self) -> Services:
        """What the services beside the APIs tell."""
        return self._api.services

    async def open(self) -> None:
        """Open the APIs that the processes call, on a port of its own.

        Raises OSError, such as for a full disk, and HostError. Nothing is open then.
        """
        async with AsyncExitStack() as undo:
            await self._api.open()
            undo.push_async_callback(self._api.close)
            # No other process on this machine has that address among its variables.
            mark = f"AWS_LAMBDA_RUNTIME_API={self._api.address}"
            limits = of_lambda(self._config.memory_mb, cpu=self._config.cpu_share)
            self._sandbox = Sandbox(self, mark, limits, reaper=self._shared.reaper)
            undo.callback(self._sandbox.close)
            for missing in self._sandbox.unlimited:
                self._note(missing)
            if self._config.isolate:
                await self._isolate()
            self._choose_bootstrap()
            if self._managed:
                self._worker_logs = LogSocket(lambda line: self.printed(None, line))
                self._shared.watch(self._worker_logs.folder)
            elif self._config.freeze:
                self._freezer = Freezer(self._sandbox, self._telemetry)
            undo.pop_all()

    async def _isolate(self) -> None:
        """Give the processes a view of the machine as on Lambda, as far as it can be had."""
        config = self._config
        words = (str(config.interpreter.program), *config.command, *(self._command or ()))
        needed = [Path(word) for word in words if word[:1] == "/"]
        room = await asyncio.to_thread(
            prepare, config.task_root, self._code.layer_root, self._sandbox.temporary, needed
        )
        if isinstance(room, str):
            self._note(room)
            return
        for missing in room.missing:
            self._note(missing)
        self._sandbox.namespace = room

    def _choose_bootstrap(self) -> None:
        """Run a package on this machine's interpreter where its own has not its path of Lambda."""
        config, own = self._config, packaged.bootstrap(self._code)
        if own is None or not config.handler or config.python is not None:
            return
        room = self._sandbox.namespace
        if room and own.parent in {room.task_root, room.layer_root}:
            return
        if config.bootstrap in (None, [str(own)]):
            self._config = replace(config, bootstrap=None)
            remedy = "" if config.isolate else ", which it gets by --isolate"
            self._note(
                f"the function runs on {str(config.interpreter.program)!r}: the package's own "
                f"interpreter needs {str(own.parent)!r}{remedy}"
            )

    def initialise(self) -> None:
        """Begin the init ahead of any request."""
        self._feed(msg.InitRequested())

    def invoke(self, invocation: Invocation, caller: Caller) -> None:
        """Handle an event when its turn has come."""
        self._feed(msg.InvokeRequested(_Work(caller), invocation))

    def pause_clock(self) -> None:
        """Let no deadline come nearer: a debugger is attached."""
        self._clock.stop()
        self._set_timer()

    def resume_clock(self) -> None:
        """Let the time go on."""
        self._clock.start()
        self._set_timer()

    async def close(self) -> None:
        """Refuse all waiting callers, end all processes, and close the APIs."""
        self._clock.start()
        self._feed(msg.StopRequested())
        if not self._dead.is_set():
            # What is still owed can only be taken while the extensions live.
            self._last_telemetry = asyncio.create_task(self._telemetry.flush(_LAST_TELEMETRY_S))
        await self._dead.wait()
        if self._timer is not None:
            self._timer.cancel()
        if self._last_telemetry:
            self._last_telemetry.cancel()
            await asyncio.wait([self._last_telemetry])
        await self._telemetry.close()
        await self._api.close()
        # In a thread: a function may have left any number of files.
        await asyncio.to_thread(folders.remove, self._sandbox.temporary)
        self._sandbox.close()
        if self._worker_logs:
            self._worker_logs.close()
            self._shared.forget(self._worker_logs.folder)

    # ---- the owner of APIs and processes -----------------------------------------------------

    def called(self, *messages: msg.Message) -> None:
        """Take a call of the runtime or an extension."""
        if isinstance(messages[-1], self._ends_printing):
            # What was printed before belongs to the invocation that ends here.
            self._flush()
        self._feed(*messages)

    def _refused(self, head: Head | None, response: Response) -> None:
        """Note a call that was refused: runtimes and extensions may keep to themselves why.

        A runtime that asks for its next event while the environment stops has done nothing wrong.
        """
        if self.state in ENDING:
            return
        self._note(refusal_line(head, response).removeprefix("snapboot: "))

    def printed(self, name: str | None, line: str) -> None:
        """Take a line of a process's output."""
        self._journal.line(Source.FUNCTION if name is None else Source.EXTENSION, line)

    def exited(self, name: str | None, code: int) -> None:
        """Take note of the end of a process."""
        if name is None:
            self._api.forget_runtime()
        self._feed(msg.ProcessExited(code, name))

    # ---- performing --------------------------------------------------------------------------

    def _feed(self, *messages: msg.Message) -> None:
        core, now, acts = self.lifecycle, self._clock.now(), self._ACTS
        for message in messages:
            wanted = core.feed(message, now)
            if core.state is not self.state:
                self._turn(core.state)
            for effect in wanted:
                acts[type(effect)](self, effect)
        if core.deadline is not None and core.deadline < self._timer_at:
            self._set_timer()
        self._on_change()

    def _turn(self, state: EnvironmentState) -> None:
        """Do what comes with another state: freeze soon where nothing is to be done, or thaw."""
        self.state = state
        if state is EnvironmentState.DEAD:
            self._dead.set()
        if self._freezer is None:
            return
        if state is EnvironmentState.READY:
            self._freezer.freeze_soon()
        elif state is not EnvironmentState.ANSWERED:  # in which nothing has been frozen yet
            self._freezer.thaw()

    def _record(self, record: records.Record) -> None:
        self._journal.record(record)

    def _reply(self, reply: effects.Reply) -> None:
        self._api.reply(reply.call, reply.content)

    def _subscribe(self, wanted: effects.Subscribe) -> None:
        self._telemetry.subscribe(wanted.extension, wanted.subscription)

    def _begin_stream(self, begun: effects.BeginStream) -> None:
        work: _Work = begun.caller
        call: Call = begun.call
        sink = work.caller.sink
        if sink is not None:
            sink.begin(begun.content_type)

        def overrun(limit: int) -> None:
            self._feed(msg.StreamOverrun(call, limit))

        relay = Relay(call.exchange, sink, overrun, self._config.bandwidth)
        work.relay = call.relay = relay

    def _refuse(self, refusal: effects.Refuse) -> None:
        work: _Work = refusal.caller
        work.end_stream()
        work.caller.refused(refusal.failure)

    def _answer(self, answer: effects.Answer) -> None:
        work: _Work = answer.caller
        if work.relay is not None:
            work.end_stream()
        work.caller.answered(answer.result)

    def _begin_init(self, begun: records.InitStart) -> None:
        self._sandbox.unthrottle()
        self._record_init(begun)

    def _end_init(self, report: records.InitReport) -> None:
        self._sandbox.throttle()
        # What has ended by the first report cannot be asked any more.
        self._sandbox.peak_mb()
        self._record_init(report)

    def _record_init(self, record: records.Record) -> None:
        """Record a part of an init, unless that was the snapshot's, which has recorded it."""
        if self._restores is None:
            self._journal.record(record)

    def _finish(self, report: records.Report) -> None:
        size_mb, peak_mb = self._config.memory_mb, self._sandbox.peak_mb()
        # On Lambda nothing gets beyond the memory size.
        used_mb = None if peak_mb is None else min(peak_mb, size_mb)
        filled(report, memory_size_mb=size_mb, max_memory_used_mb=used_mb)
        self._journal.record(report)
        work: _Work = report.caller
        work.caller.finished(report, self._journal.take())

    # ---- processes ---------------------------------------------------------------------------

    def _spawn(self, wanted: effects.Spawn) -> None:
        name = wanted.extension
        try:
            self._start(name)
        except HostError as exc:
            reason = str(exc) if name is None else _refusal(self._extensions[name])
            # Not from within the message that asked for the process.
            asyncio.get_running_loop().call_soon(self._feed, msg.SpawnFailed(reason, name))

    async def _wake(self, restored_from: Restores) -> None:
        """Take a clone of the snapshot as the runtime, as soon as there is a snapshot."""
        try:
            restore = await restored_from(self)
            self._sandbox.adopt(None, lambda: restore(self._environ()))
        except (HostError, OSError) as exc:
            failure = exc.failure if isinstance(exc, NoSnapshotError) else None
            self._feed(msg.SpawnFailed(str(exc), None, failure))

    def _stop_waking(self) -> None:
        """Let a clone go that has not been made yet."""
        if self._waking is not None and not self._waking.done() and self._waking.cancel():
            failed = msg.SpawnFailed("the environment is stopping")
            asyncio.get_running_loop().call_soon(self._feed, failed)

    def _environ(self) -> dict[str, str]:
        config, around = self._view()
        return runtime_environ(config, self._api.address, self.log_stream, around)

    def _start(self, name: str | None) -> None:
        config, _ = self._view()
        if name is None and self._restores is not None:
            self._waking = asyncio.get_running_loop().create_task(self._wake(self._restores))
            return
        environ = self._environ()
        if name is not None:
            command, environ = [str(self._extensions[name].path)], extension_environ(environ)
        else:
            command = list(self._command or self._config.command)
            if self._worker_logs:
                environ[LOG_SOCKET] = self._worker_logs.path
            self.variables = environ
        self._sandbox.spawn(name, command, config.task_root, environ)

    def _view(self) -> tuple[FunctionConfig, SandboxPaths]:
        """Return the function and what is around it by the names its processes know."""
        known = self._api.services
        if room := self._sandbox.namespace:
            config = replace(self._config, task_root=room.task_root)
            return config, SandboxPaths(room.layer_root, known)
        around = SandboxPaths(self._code.layer_root, known, self._sandbox.temporary)
        return self._config, around

    def _terminate(self, _wanted: effects.Terminate) -> None:
        self._stop_waking()
        self._sandbox.terminate(None)

    def _kill(self, wanted: effects.Kill) -> None:
        if wanted.extension is None:
            self._stop_waking()
        self._sandbox.kill(wanted.extension)

    def _flush(self) -> None:
        """Deliver all log lines that have been printed by now.

        Lines end here where one event ends; among several at work they may go on.
        """
        if self._worker_logs:
            self._worker_logs.flush()
        else:
            self._sandbox.flush()

    def _begin_restore(self, begun: records.RestoreStart) -> None:
        self.renew_services()
        self._journal.record(begun)

    # ---- time --------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """See to it that the timer rings at the lifecycle's deadline.

        One for a later time is made sooner; one for an earlier time runs on, and sets the next.
        """
        deadline = None if self._clock.stopped else self.lifecycle.deadline
        if deadline is not None and (at := self._clock.real(deadline)) < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(at, self._ring)
            self._timer_at = at

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        deadline = None if self._clock.stopped else self.lifecycle.deadline
        if deadline is not None and self._clock.real(deadline) <= time.monotonic():
            self._flush()
            self._feed(msg.TimePassed())
        else:
            self._set_timer()

    _ACTS: ClassVar[_Acts] = _Acts(
        {
            # Most records are written down and no more.
            **dict.fromkeys(get_args(records.Record), _record),
            effects.Reply: _reply,
            effects.BeginStream: _begin_stream,
            effects.Answer: _answer,
            effects.Refuse: _refuse,
            effects.Spawn: _spawn,
            effects.Terminate: _terminate,
            effects.Kill: _kill,
            effects.Subscribe: _subscribe,
            records.InitStart: _begin_init,
            records.InitRuntimeDone: _record_init,
            records.InitReport: _end_init,
            records.Report: _finish,
            records.RestoreStart: _begin_restore,
        }
    )


def _core(rules: Rules) -> Environment:
    """Return the lifecycle of an environment, by how many events it takes at once."""
    if rules.initialization is not terms.InitializationType.MANAGED_INSTANCES:
        return SingleEnvironment(rules, new_id)
    from snapboot_devkit.host.lifecycle.managed import ManagedEnvironment  # noqa: PLC0415

    return ManagedEnvironment(rules, new_id)


def _services(config: FunctionConfig) -> Services:
    """Return what the services beside the APIs tell before a restore."""
    known = Services(metadata_token=os.urandom(16).hex())
    if not config.rules.has_snapshot:
        return known
    return replace(
        known,
        before_snapshot=True,
        credentials=_fresh_credentials(),
        credentials_token=new_id(),
    )


def _fresh_credentials() -> Credentials:
    return Credentials("local", "local", os.urandom(16).hex(), time.time() + _CREDENTIALS_LAST_S)


def _facts(config: FunctionConfig, log_stream: str) -> EnvironmentInfo:
    identity = config.identity
    return EnvironmentInfo(
        config.name,
        identity.version,
        identity.arn,
        log_stream,
        config.memory_mb,
        runtime_version=_runtime_version(config),
        json_logs=config.log_format == "JSON",
        managed=config.initialization is terms.InitializationType.MANAGED_INSTANCES,
    )


def _runtime_version(config: FunctionConfig) -> str:
    """Return a name such as the platform's own `python:3.13.v30` and `provided:al2023.v7`."""
    if config.bootstrap is not None:
        return "provided:local"
    return f"python:{config.interpreter.version}.snapboot"


def _form(config: FunctionConfig, facts: EnvironmentInfo) -> LineFormatter:
    levels = {"level": config.log_level, "system_level": config.system_log_level}
    return LineFormatter(facts, **{name: level for name, level in levels.items() if level})


def _refusal(extension: ExtensionFile) -> str:
    """Return the platform's word for why an extension could not be started."""
    return "UnknownError" if extension.executable else "PermissionDenied"
