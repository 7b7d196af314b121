"""What the packager raises."""

from __future__ import annotations


class PackageError(Exception):
    """The package cannot be made: show the message, which names the remedy. Nothing is left."""


class ImportFailedError(PackageError):
    """The handler cannot be imported here, and may be on Lambda: go on without a module archive."""


class MissingHandlerError(PackageError):
    """The handler's module is not in the package: name another one, or another source."""
