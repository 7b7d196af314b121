"""The samples: applications of the real frameworks, run by the runtime as a process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oracles import web
from tests.fakes.fixtures import bytecode, function

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.function import Function, Run
    from tests.fakes.runtime_api import Event

__all__ = ["bytecode", "function"]

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def serve(function: Function) -> Callable[..., Run]:
    """Return what has events served by the sample of a framework."""

    def run(framework: str, *events: Event, handler: str = "handler", **options: object) -> Run:
        folder = str(web.folder(framework))
        shutil.copy(SAMPLES / f"{framework}_app.py", function.root)
        name = f"{framework}_app.{handler}"
        return function.run(*events, handler=name, environment={"PYTHONPATH": folder}, **options)

    return run
