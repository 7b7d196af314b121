"""Fixtures for tests of images."""

from __future__ import annotations

import os

import pytest

from tests.shipping import images


@pytest.fixture(scope="session")
def image_store(tmp_path_factory):
    """Return the images of this test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "images"
    images.images.require()
    with images.shared(folder) as opened:
        yield opened
