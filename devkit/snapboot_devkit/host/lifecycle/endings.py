"""What the end of a process, or that it never began, means for whatever was under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle import failures
from snapboot_devkit.host.lifecycle import messages as msg

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.extensions import Extensions


def failure_of(
    message: msg.ProcessExited | msg.SpawnFailed, extensions: Extensions
) -> Callable[[str], failures.Failure]:
    """Return the failure for a request id, once `extensions` have taken note of their own."""
    match message:
        case msg.ProcessExited(code, None):
            return lambda request_id: failures.exited(request_id, code)
        case msg.ProcessExited(code, str(name)):
            stood = extensions.exited(name)
            return lambda request_id: failures.extension_exited(request_id, stood, code)
        case msg.SpawnFailed(failure=failures.Failure() as failure):
            return lambda _: failure
        case msg.SpawnFailed(reason, None):
            return lambda request_id: failures.not_started(request_id, reason)
        case msg.SpawnFailed(reason, str(name)):
            extensions.not_started(name, reason)
            return lambda request_id: failures.extension_not_started(request_id, reason)
    raise TypeError(f"{message!r} is not an end of a process")
