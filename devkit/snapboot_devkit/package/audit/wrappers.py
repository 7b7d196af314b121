"""A function on AWS's managed runtime that this runtime serves: AWS_LAMBDA_EXEC_WRAPPER."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from snapboot_devkit.package.checks import wrappers
from snapboot_devkit.package.checks.finding import Finding, error, warning
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.target import OLDEST_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Find a wrapper that AWS refuses to start, and one that can start nothing."""
    package = subject.package
    wrapper = wrappers.script(package)
    if wrapper is None or subject.place is not Place.MANAGED:
        return
    on_lambda = subject.layout.on_lambda(wrapper)
    mode = package.entries[wrapper].mode
    if mode is not None and not mode & stat.S_IXOTH:
        yield error(
            "wrapper-not-executable",
            wrapper,
            f"with AWS_LAMBDA_EXEC_WRAPPER={on_lambda} Lambda ends each start: "
            f"{on_lambda}: is not an executable",
            "chmod 755, and pack it with its mode",
        )
    missing = f"{wrappers.runtime(wrapper)}main.py"
    if not package.is_file(missing):
        yield warning(
            "wrapper-incomplete",
            wrapper,
            f"the runtime that it starts is not whole: there is no {missing!r}; AWS's own client "
            "serves the function",
            "snapboot package --as wrapper-layer makes it again; or install snapboot again",
        )
    if subject.python.version < OLDEST_PYTHON:
        yield warning(
            "wrapper-python",
            wrapper,
            f"it leaves {subject.python} to AWS's own client, with a line in each log",
            "move the function to python3.11 or later",
        )
