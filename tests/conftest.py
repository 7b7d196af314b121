"""What holds for every test: one that needs what this machine lacks is skipped, with the reason."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from oracles import OracleUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


_CACHE: Final = Path(__file__).resolve().parent.parent / ".cache" / "of-tests"


def pytest_configure() -> None:
    """Keep what tests cache out of the home of the person who runs them; uv's downloads stay."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("UV_CACHE_DIR", str(Path(home) / "uv"))
    os.environ["XDG_CACHE_HOME"] = str(_CACHE)
    # A shell's background job ignores Ctrl-C, and so would all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # So does `nohup` with a hang-up. The run itself goes on; what it starts has the default again.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    yield from _skipping()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield from _skipping()


def _skipping() -> Generator[None]:
    """Skip where an oracle cannot be had, whichever fixture or test asked for it."""
    try:
        yield
    except OracleUnavailable as exc:
        pytest.skip(str(exc))


def required(fetch: Callable[[], Path]) -> Path:
    """Return what `fetch` gives: a program of AWS's. In CI its absence is a failure."""
    try:
        return fetch()
    except OracleUnavailable as exc:
        if "CI" in os.environ:
            pytest.fail(str(exc))
        raise
