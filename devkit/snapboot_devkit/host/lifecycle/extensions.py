"""The extensions of one environment: who they are, where they stand, and what they wait for.

External extensions are processes of their own, known by their file's name before they register;
what registers under another name is an internal one, a part of the runtime's process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.states import (
    EXTENSION,
    EXTENSION_ASKED_FOR,
    ExtensionMove,
    ExtensionState,
    IllegalMoveError,
)
from snapboot_devkit.host.lifecycle.terms import (
    INVOKE,
    SHUTDOWN,
    CallToken,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snapboot_devkit.host.lifecycle.terms import Delivery, TelemetryApi

# Why extensions are not started, in the platform's words.
_TOO_MANY: Final = "TooManyExtensions"
_GONE: Final = frozenset({ExtensionState.EXITED, ExtensionState.LAUNCH_ERROR})


@dataclass(slots=True)
class Extension:
    """One extension; `call` is its blocked `next`, `untold` are events that it has not fetched."""

    name: str
    external: bool
    state: ExtensionState = ExtensionState.STARTED
    identifier: str = ""
    events: tuple[str, ...] = ()
    telemetry: TelemetryApi | None = None
    call: CallToken | None = None
    untold: deque[effects.InvokeEvent | effects.ShutdownEvent] = field(default_factory=deque)

    @property
    def alive(self) -> bool:
        """Whether a process of its own is running."""
        return self.external and self.state not in _GONE

    def may(self, move: ExtensionMove) -> bool:
        """Whether a move is legal now."""
        return (self.state, move) in EXTENSION

    def move(self, move: ExtensionMove) -> None:
        """Make a legal move."""
        if not self.may(move):
            raise IllegalMoveError(f"{move.name} cannot happen in {self!r}")
        self.state = EXTENSION[self.state, move]


class Extensions:
    """All extensions of an environment. What it wants done goes to `ask`."""

    def __init__(
        self,
        names: tuple[str, ...],
        new_id: Callable[[], str],
        ask: Callable[[effects.Effect], None],
        allowed_events: frozenset[str] = frozenset({INVOKE, SHUTDOWN}),
    ) -> None:
        self._names = names
        self._new_id = new_id
        self._ask = ask
        self._allowed_events = allowed_events
        self._members: dict[str, Extension] = {}
        # Whether the runtime has yet to initialise.
        self.registration_open = False
        # Whether the init has yet to end.
        self._subscription_open = False

    def __repr__(self) -> str:
        states = ", ".join(f"{member.name} {member.state.value}" for member in self)
        return f"<Extensions {states or 'none'}>"

    def __iter__(self) -> Iterator[Extension]:
        """Go through all, the external ones first."""
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    @property
    def any_external(self) -> bool:
        """Whether any extension is a process of its own."""
        return any(member.external for member in self)

    @property
    def any_alive(self) -> bool:
        """Whether any extension's process is running."""
        return any(member.alive for member in self)

    @property
    def any_subscribed(self) -> bool:
        """Whether anybody is sent telemetry."""
        return bool(self._members) and any(member.telemetry for member in self)

    @property
    def all_registered(self) -> bool:
        """Whether the runtime may start: every external extension has registered."""
        return all(member.state is not ExtensionState.STARTED for member in self)

    @property
    def all_idle(self) -> bool:
        """Whether all have nothing left to do but to wait."""
        ready = ExtensionState.READY
        return not self._members or all(one.state is ready and not one.untold for one in self)

    def start(self) -> Callable[[str], failures.Failure] | None:
        """Ask for all processes, or return why that cannot be, for a request id."""
        self._members = {name: Extension(name, external=True) for name in self._names}
        self.registration_open = self._subscription_open = True
        if len(self._names) > protocol.MAX_EXTENSIONS:
            # The others are not started either, and so their end is not waited for.
            last = self._names[-1]
            self._members = {last: self._members[last]}
            self.not_started(last, _TOO_MANY)
            return lambda request_id: failures.extension_not_started(request_id, _TOO_MANY)
        for name in self._names:
            self._ask(effects.Spawn(name))
        return None

    def close_registration(self) -> bool:
        """End registering: the runtime has initialised. Return whether it was still open."""
        was_open, self.registration_open = self.registration_open, False
        return was_open

    def close_subscription(self) -> None:
        """End subscribing to telemetry: the init has ended."""
        self._subscription_open = False

    def clear(self) -> None:
        """Forget all: their processes are gone."""
        self._members.clear()
        self.registration_open = self._subscription_open = False

    def send_invoke(self, delivery: Delivery) -> None:
        """Tell all who asked for it that an invocation begins."""
        for member in self:
            if INVOKE in member.events:
                self._tell(member, effects.InvokeEvent(delivery, self._new_id()))

    def send_shutdown(self, member: Extension, event: effects.ShutdownEvent) -> None:
        """Tell one that the environment goes; what it has not fetched before is of no account."""
        member.untold.clear()
        self._tell(member, event)

    def report(self) -> None:
        """Record where everybody stands."""
        for member in self:
            self._report(member)

    # ---- what happens ------------------------------------------------------------------------

    def register(self, message: msg.RegisterCalled) -> None:
        """Take a registration, or refuse it."""
        denial = self._registration_denial(message)
        if denial is not None:
            self._reply(message.call, denial)
            return
        member = self._members.setdefault(message.name, Extension(message.name, external=False))
        member.move(ExtensionMove.REGISTER)
        member.identifier = self._new_id()
        member.events = message.events
        self._reply(message.call, effects.Registered(member.identifier, message.wants_account))

    def next(self, message: msg.ExtensionNextCalled) -> None:
        """Let an extension wait for an event, or send it one that it has missed."""
        member = self._step(message, ExtensionMove.NEXT)
        if member is None:
            return
        member.call = message.call
        if member.untold:
            self._tell(member, member.untold.popleft())

    def post_error(self, message: msg.ExtensionErrorPosted) -> None:
        """Take the last word of an extension; only the end of its process is a failure."""
        move = ExtensionMove.EXIT_ERROR if message.exiting else ExtensionMove.INIT_ERROR
        if self._step(message, move):
            self._reply(message.call, effects.ACCEPTED)

    def subscribe(self, message: msg.SubscribeCalled) -> None:
        """Subscribe an extension to telemetry; a second time replaces the first."""
        member = self._known(message.identifier)
        if member is None:
            self._reply(message.call, failures.unknown_extension(message.identifier))
            return
        if denial := self._subscription_denial(member, message.subscription.api):
            self._reply(message.call, denial)
            return
        subscription = message.subscription
        member.telemetry = subscription.api
        self._ask(effects.Subscribe(member.name, subscription))
        self._reply(message.call, effects.SubscriptionAccepted())
        self._ask(records.Subscribed(member.name, subscription.types, subscription.api))

    def drop(self, call: CallToken) -> bool:
        """Take note that a call broke off, and return whether it was an extension's `next`."""
        for member in self:
            if member.call == call:
                member.call = None
                # One that has posted its last word has nothing more to wait for.
                if member.may(ExtensionMove.INTERRUPTED):
                    member.move(ExtensionMove.INTERRUPTED)
                return True
        return False

    def exited(self, name: str) -> ExtensionState:
        """Take note of the end of an extension's process, and return where it stood."""
        member = self._members[name]
        before = member.state
        member.call = None
        member.move(ExtensionMove.EXITED)
        return before

    def is_alive(self, name: str) -> bool:
        """Whether an extension's process is running."""
        return name in self._members and self._members[name].alive

    def not_started(self, name: str, reason: str) -> None:
        """Take note of a process that could not be started."""
        member = self._members[name]
        member.move(ExtensionMove.NOT_STARTED)
        self._report(member, reason)

    # ---- small moves -------------------------------------------------------------------------

    def _tell(self, member: Extension, event: effects.InvokeEvent | effects.ShutdownEvent) -> None:
        if member.call is None or not member.may(ExtensionMove.NOTIFIED):
            member.untold.append(event)
            return
        call, member.call = member.call, None
        member.move(ExtensionMove.NOTIFIED)
        self._reply(call, event)

    def _registration_denial(self, message: msg.RegisterCalled) -> effects.Denied | None:
        member = self._members.get(message.name)
        external = member is not None and member.external
        if denial := self._event_denial(message, external=external):
            return denial
        if member is None and not self.registration_open:
            return failures.REGISTRATION_CLOSED
        if member is None and len(self) >= protocol.MAX_EXTENSIONS:
            return failures.TOO_MANY_EXTENSIONS
        if member is None or member.may(ExtensionMove.REGISTER):
            return None
        if not external:
            return failures.NAME_TAKEN
        asked_for = EXTENSION_ASKED_FOR[ExtensionMove.REGISTER]
        return failures.illegal_extension_transition(member.name, member.state, asked_for)

    def _event_denial(
        self, message: msg.RegisterCalled, *, external: bool
    ) -> effects.Denied | None:
        for event in message.events:
            if event not in self._allowed_events:
                return failures.invalid_event(event, "ErrorInvalidEventType")
            if event == SHUTDOWN and not external:
                return failures.invalid_event(
                    event, "ShutdownEventNotSupportedForInternalExtension"
                )
        return None

    def _subscription_denial(self, member: Extension, api: TelemetryApi) -> effects.Denied | None:
        if not self._subscription_open:
            return failures.subscription_closed(api)
        return failures.both_apis(api) if member.telemetry not in (None, api) else None

    def _step(
        self, message: msg.ExtensionNextCalled | msg.ExtensionErrorPosted, move: ExtensionMove
    ) -> Extension | None:
        """Follow a call, or refuse it and return None."""
        member = self._known(message.identifier)
        if member is None:
            self._reply(message.call, failures.unknown_extension(message.identifier))
            return None
        if not member.may(move):
            asked_for = EXTENSION_ASKED_FOR[move]
            denial = failures.illegal_extension_transition(
                member.identifier, member.state, asked_for
            )
            self._reply(message.call, denial)
            return None
        member.move(move)
        return member

    def _known(self, identifier: str) -> Extension | None:
        found = (member for member in self if identifier and member.identifier == identifier)
        return next(found, None)

    def _report(self, member: Extension, error_type: str | None = None) -> None:
        self._ask(
            records.ExtensionReport(member.name, member.state.value, member.events, error_type)
        )

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))
