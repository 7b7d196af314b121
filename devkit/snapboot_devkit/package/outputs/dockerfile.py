"""The Dockerfile of a function's image, which compiles and seals it on top of the base image."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.package.request import PackageRequest
    from snapboot_devkit.package.target import Target

# As the Dockerfile of the base image lays it out.
_RUNTIME: Final = "/var/runtime"
_IN_TARGET: Final = f"{_RUNTIME}/.devkit/snapboot_devkit/package/in_target"
_BOOTSTRAP: Final = f"{_RUNTIME}/bootstrap"
# Linux takes 128 KiB as one argument, which a RUN line is to the shell; some is left for the rest.
_MAX_COMMAND_BYTES: Final = 120_000

_TEXT: Final = """\
# Made by `snapboot package`. BASE is an image of snapboot's own Dockerfile, for Python {version}:
#
#     docker build --provenance=false --build-arg BASE=snapboot -t NAME .
ARG BASE=snapboot

FROM ${{BASE}} AS build
COPY task/ /var/task/
USER 0
# The interpreter is the one that starts the runtime: the first line of the bootstrap names it.
RUN python=$(sed -n '1s/^#! *\\([^ ]*\\).*/\\1/p' {bootstrap}) \\
    && "$python" -SsP -c {check} \\
    && chmod -R a+rX /var/task \\
    && "$python" -SsP {in_target} compile /var/task --as /var/task{seal}

FROM ${{BASE}}
COPY --from=build /var/task /var/task
CMD {command}
"""
_SEAL: Final = """ \\
    && env {env} "$python" -SsP {in_target} seal /var/task {arguments}"""
# Of what ends up between single quotes, nothing may be one.
_CHECK: Final = (
    'import sys; sys.version_info[:2] == {python} or sys.exit("this function was packaged for '
    'Python {version}, and the base image has " + sys.version.split()[0] + ": '
    'choose another BASE, or package it with another --python")'
)


def dockerfile(request: PackageRequest, target: Target, env: Mapping[str, str] | None) -> str:
    """Return the text; without `env`, the variables that the handler gets, nothing is sealed.

    If the archive is required, the build fails where the handler cannot be imported in it.
    """
    check = _CHECK.format(python=target.python, version=target.version)
    return _TEXT.format(
        version=target.version,
        bootstrap=_BOOTSTRAP,
        in_target=_IN_TARGET,
        check=shlex.quote(check),
        seal="" if env is None else _seal(request, env),
        command=json.dumps([request.handler]),
    )


def _seal(request: PackageRequest, env: Mapping[str, str]) -> str:
    pairs = [_word(f"{name}={value}") for name, value in env.items()]
    arguments = ["--handler", _word(request.handler), "--runtime", _RUNTIME]
    if not request.archive_required:
        arguments.append("--if-importable")
    for module in request.included:
        arguments += ["--include", _word(module)]
    if request.lazy:
        arguments += ["--lazy", request.lazy]
    for event in request.events:
        compact = json.dumps(json.loads(event), separators=(",", ":"))
        arguments.append(_word(f"--event={compact}"))
    line = _SEAL.format(env=" ".join(pairs), in_target=_IN_TARGET, arguments=" ".join(arguments))
    return _check_length(line)


def _check_length(line: str) -> str:
    """Return what a shell takes as one argument. Raises PackageError."""
    if len(line.encode()) >= _MAX_COMMAND_BYTES:
        raise PackageError(
            f"events and variables make a command of {len(line.encode())} bytes in the Dockerfile, "
            f"which may have {_MAX_COMMAND_BYTES}: give fewer or smaller ones"
        )
    return line


def _word(text: str) -> str:
    """Return a word of a RUN line, which ends with its line. Raises PackageError."""
    if "\n" in text:
        raise PackageError(
            f"{text!r} cannot stand in a Dockerfile, as it holds a line end; leave it out, and "
            "have the handler read it when it is invoked"
        )
    return shlex.quote(text)
