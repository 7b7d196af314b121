"""What the contract tests need of the outside world: AWS's own programs."""

from __future__ import annotations

import os

import pytest

from oracles import OracleUnavailable, awslambdaric, emulator


def _fetch_or_skip(fetch: object) -> None:
    assert callable(fetch)
    try:
        fetch()
    except OracleUnavailable as exc:
        if "CI" in os.environ:
            raise
        pytest.skip(str(exc))


@pytest.fixture(scope="session")
def incumbent() -> None:
    """Have awslambdaric at hand; without it, skip, but fail in CI."""
    _fetch_or_skip(awslambdaric.folder)


@pytest.fixture(scope="session")
def oracles(incumbent: None) -> None:
    """Have awslambdaric and the emulator at hand; without them, skip, but fail in CI."""
    _fetch_or_skip(emulator.binary)
