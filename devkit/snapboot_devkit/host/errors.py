"""What the host raises. Every message says what was tried, with which value, and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.failures import Failure
    from snapboot_devkit.host.lifecycle.terms import ServiceFailure


class HostError(Exception):
    """The host cannot do what was asked: show the message, and do not try again unchanged."""


class ConfigError(HostError):
    """A setting cannot be used: change it."""


class SourceError(ConfigError):
    """Code or a layer cannot be used: repair or replace the file."""


class AddressInUseError(HostError):
    """The address to listen on is taken: choose another one."""


class LaunchError(HostError):
    """A process could not be started: look at its command."""


class NoSnapshotError(LaunchError):
    """There is no snapshot to be restored: its init has failed, as `failure` says."""

    def __init__(self, failure: Failure) -> None:
        super().__init__("there is no snapshot, as its init has failed")
        self.failure = failure


class InvokeError(HostError):
    """The service refused an invocation; `status` and `exception` are the Invoke API's."""

    def __init__(self, failure: ServiceFailure) -> None:
        super().__init__(failure.message)
        self.status = failure.status
        self.exception = failure.exception
