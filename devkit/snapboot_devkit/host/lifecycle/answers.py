"""How the runtime's answer to its invocation is taken: begun, read to its end, or broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.states import RuntimeMove

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.in_flight import InFlight
    from snapboot_devkit.host.lifecycle.runtime import Runtime
    from snapboot_devkit.host.lifecycle.terms import CallToken


class Answers:
    """Takes answers to the invocation under work. What it wants done goes to `ask`."""

    def __init__(
        self,
        runtime: Runtime,
        ask: Callable[[effects.Effect], None],
        answer: Callable[[InFlight, terms.FunctionResult], None],
        *,
        check_invocation_id: bool,
    ) -> None:
        """Take the answers of `runtime`, and pass their results on to `answer`.

        Those of earlier deliveries are taken only if ids are not checked.
        """
        self._runtime = runtime
        self._ask = ask
        self._answer = answer
        self._check_invocation_id = check_invocation_id

    def __repr__(self) -> str:
        return f"<Answers, under way {self._runtime.answering}>"

    def begin(
        self,
        message: msg.ResponseBegun | msg.ErrorBegun,
        in_flight: InFlight | None,
        now: terms.Instant,
    ) -> None:
        """Take the head of an answer, or refuse it."""
        if in_flight is None:
            self._reply(message.call, failures.INVALID_REQUEST_ID)
            return
        if denial := self._denial(message, in_flight):
            self._reply(message.call, denial)
            return
        posted = isinstance(message, msg.ErrorBegun)
        move = RuntimeMove.ERROR if posted else RuntimeMove.RESPONSE
        if not self._runtime.step(move, message.call):
            return
        in_flight.first = now
        if isinstance(message, msg.ResponseBegun) and message.mode is not None:
            self._begin_stream(message, in_flight)
        else:
            self._runtime.answering = message

    def end(self, message: msg.AnswerEnded, in_flight: InFlight | None, now: terms.Instant) -> None:
        """Take an answer that is whole."""
        begun = self._runtime.end_answer(message.call)
        if begun is None or in_flight is None:
            return
        in_flight.last = now
        in_flight.produced_bytes = message.size
        if message.size > protocol.MAX_PAYLOAD_BYTES and not _is_streamed(begun):
            self._fail(in_flight, failures.too_large(message.size))
            self._reply(message.call, failures.PAYLOAD_TOO_LARGE)
            return
        if isinstance(begun, msg.ErrorBegun):
            self._fail(in_flight, _posted_error(begun, message))
        else:
            self._answer(in_flight, _result(message))
        self._ask(effects.Reply(message.call, effects.ACCEPTED))

    def cut(
        self, message: msg.StreamOverrun, in_flight: InFlight | None, now: terms.Instant
    ) -> None:
        """End a stream that has grown too long."""
        if self._runtime.end_answer(message.call) and in_flight is not None:
            in_flight.last = now
            self._fail(in_flight, failures.stream_too_large(message.limit))
            self._reply(message.call, failures.PAYLOAD_TOO_LARGE)

    def break_off(self, call: CallToken, in_flight: InFlight | None, now: terms.Instant) -> None:
        """Take note of a connection that ended, perhaps within an answer."""
        self._runtime.drop(call)
        if self._runtime.end_answer(call) and in_flight is not None:
            in_flight.last = now
            self._fail(in_flight, failures.truncated())
            self._reply(call, failures.TRUNCATED_REQUEST)

    def _denial(
        self, message: msg.ResponseBegun | msg.ErrorBegun, in_flight: InFlight
    ) -> effects.Denied | None:
        """Return why an answer does not belong to the invocation, if it does not."""
        delivery = in_flight.delivery
        if message.request_id != delivery.invocation.request_id:
            return failures.INVALID_REQUEST_ID
        if message.invocation_id is None or message.invocation_id == delivery.invocation_id:
            return None
        return failures.INVALID_INVOCATION_ID if self._check_invocation_id else None

    def _begin_stream(self, message: msg.ResponseBegun, in_flight: InFlight) -> None:
        if message.mode != protocol.RESPONSE_MODE_STREAMING:
            self._fail(in_flight, failures.invalid_response_mode(str(message.mode)))
            self._reply(message.call, failures.INVALID_RESPONSE_MODE)
            return
        self._runtime.answering = message
        self._ask(effects.BeginStream(in_flight.caller, message.call, message.content_type))

    def _fail(self, in_flight: InFlight, failure: failures.Failure) -> None:
        in_flight.fail(failure)
        self._answer(in_flight, failure.result)

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))


def _is_streamed(begun: msg.ResponseBegun | msg.ErrorBegun) -> bool:
    return isinstance(begun, msg.ResponseBegun) and begun.mode is not None


def _posted_error(begun: msg.ErrorBegun, ended: msg.AnswerEnded) -> failures.Failure:
    error_type = failures.clean_error_type(begun.error_type)
    return failures.Failure(terms.Status.ERROR, error_type, ended.body, ended.content_type)


def _result(ended: msg.AnswerEnded) -> terms.FunctionResult:
    """Return a response; with an error behind a stream it is one all the same, for the records."""
    if ended.trailing_error_type:
        return failures.streamed(ended.trailing_error_type, ended.trailing_error_body)
    return terms.FunctionResult(ended.body, ended.content_type)
