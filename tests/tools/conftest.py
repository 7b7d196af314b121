"""Runs a function with a tool under both runtimes, ours as its files and packaged."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from oracles import awslambdaric, tools
from tests.fakes.fixtures import bytecode
from tests.fakes.function import Function, Run
from tests.fakes.mounts import mounted
from tests.fakes.tls import TlsFront
from tests.layouts.conftest import built
from tests.layouts.function import LaidOut
from tests.layouts.layouts import LAMBDA_PATH, TASK_ROOT
from tests.tools.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import trustme

    from tests.fakes.runtime_api import Event

__all__ = ["bytecode", "pair"]

WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the function did, and what its sink got."""

    run: Run
    sink: Sink


class Pair:
    """A function that has a tool among its packages, under our runtime and under awslambdaric."""

    def __init__(self, folder: Path, layout: str) -> None:
        self._folder = folder
        self._layout = built(layout)
        self._files: dict[str, str] = {}
        self._tool: Path | None = None

    def __repr__(self) -> str:
        """Name the layout of ours."""
        return f"<Pair of {self._layout!r} and awslambdaric>"

    def use(self, tool: str) -> None:
        """Put the tool into the function; skip where it cannot be had."""
        self._tool = tools.folder(tool)
        awslambdaric.folder()

    def write(self, name: str, source: str) -> None:
        """Write a file of the function's; a wrapper script begins with `#!`."""
        self._files[name] = textwrap.dedent(source).lstrip()

    def run(
        self,
        *events: Event,
        environment: Mapping[str, str] | None = None,
        handler: str = "app.handler",
        importable: bool = True,
        authority: trustme.CA | None = None,
    ) -> tuple[Outcome, Outcome]:
        """Return what happened under ours and under awslambdaric.

        In the values of `environment`, `{url}`, `{address}` and `{udp}` stand for the sink's, and
        `{tls}` for the address of a front of it that has a certificate by `authority`.
        """
        outcomes = []
        for name, run in (("ours", self._run_ours), ("theirs", self._run_theirs)):
            with Sink() as sink, contextlib.ExitStack() as stack:
                places = {"url": sink.url, "address": sink.address, "udp": sink.udp_address}
                if authority:
                    front = stack.enter_context(TlsFront(sink.address, authority))
                    places["tls"] = front.url.removeprefix("https://")
                given = {k: v.format(**places) for k, v in (environment or {}).items()}
                root = self._furnish(self._folder / name / "task")
                done = run(root, events, {"LAMBDA_TASK_ROOT": TASK_ROOT, **given}, handler,
                           importable=importable)  # fmt: skip
                outcomes.append(Outcome(done, sink))
        ours, theirs = outcomes
        return ours, theirs

    def _furnish(self, root: Path) -> Path:
        if self._tool:
            shutil.copytree(self._tool, root, copy_function=os.link)
        root.mkdir(parents=True, exist_ok=True)
        for name, source in self._files.items():
            path = Function(root).write(name, source)
            path.chmod(0o755 if source.startswith("#!") else 0o644)
        return root

    def _run_ours(
        self,
        root: Path,
        events: Sequence[Event],
        environment: dict[str, str],
        handler: str,
        *,
        importable: bool,
    ) -> Run:
        function = LaidOut(root, self._layout)
        return function.run(
            *events,
            environment=environment,
            handler=handler,
            sealed=None if importable else False,
        )

    def _run_theirs(
        self,
        root: Path,
        events: Sequence[Event],
        environment: dict[str, str],
        handler: str,
        *,
        importable: bool,
    ) -> Run:
        del importable
        wrapper = environment.get(WRAPPER)
        command = [*([wrapper] if wrapper else ()), *awslambdaric.command(), handler]
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{LAMBDA_PATH}",
            "PYTHONPATH": str(awslambdaric.folder()),
            "HOME": None,
            "PYTHONDONTWRITEBYTECODE": None,
            **environment,
        }
        return Function(root).run(
            *events,
            handler=handler,
            environment=variables,
            contender=mounted(command, {TASK_ROOT: root}),
        )


@pytest.fixture(params=["checkout", "package"])
def pair(request, tmp_path) -> Pair:
    """Return a function without code or tool; ours runs as its files, then packaged."""
    return Pair(tmp_path, request.param)
