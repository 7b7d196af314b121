"""The fixture: a function in each of the layouts in turn."""

from __future__ import annotations

import functools

import pytest

from tests.fakes.fixtures import bytecode
from tests.layouts import layouts
from tests.layouts.function import LaidOut

__all__ = ["bytecode", "layout"]

built = functools.cache(lambda name: layouts.LAYOUTS[name]())


@pytest.fixture(params=layouts.NAMES)
def layout(request, tmp_path):
    """Return a function without any code yet, to be run in a layout."""
    root = tmp_path / "task"
    root.mkdir()
    return LaidOut(root, built(request.param))
