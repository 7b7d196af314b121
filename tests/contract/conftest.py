"""What the contract tests need of the outside world: AWS's own programs."""

from __future__ import annotations

import pytest

from oracles import awslambdaric, emulator
from tests.conftest import required


@pytest.fixture(scope="session")
def incumbent() -> None:
    """Have awslambdaric at hand; without it, skip, but fail in CI."""
    required(awslambdaric.folder)


@pytest.fixture(scope="session")
def oracles(incumbent: None) -> None:
    """Have awslambdaric and the emulator at hand; without them, skip, but fail in CI."""
    required(emulator.binary)
