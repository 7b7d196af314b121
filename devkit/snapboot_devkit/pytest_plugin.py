"""Fixtures for tests of Lambda functions; pytest finds them by itself.

    def test_ada_is_greeted(lambda_function):
        function = lambda_function("app.handler", timeout=10)
        assert function.invoke({"name": "Ada"}).json() == "Hello, Ada!"

Imports the host only when a fixture is used: all other tests of a project pay nothing for it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snapboot_devkit.testing import LambdaFunction
    from snapboot_devkit.testing.clones import Clones

TASK_ROOT: Final = "lambda_task_root"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting that says where the functions' code is."""
    text = "the folder of the Lambda functions' code, from rootdir; rootdir itself by default"
    parser.addini(TASK_ROOT, text, default=".")


@pytest.fixture
def lambda_function(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., LambdaFunction]]:
    """Return what opens a Lambda function: `lambda_function("app.handler", timeout=10)`.

    Takes what `snapboot_devkit.testing.LambdaFunction` takes; `task_root` is the folder that the
    setting `lambda_task_root` names. All processes end with the test.
    """
    yield from _opening(request)


@pytest.fixture(scope="module")
def module_lambda_function(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., LambdaFunction]]:
    """Return what `lambda_function` returns, for fixtures that serve all tests of a module."""
    yield from _opening(request)


@pytest.fixture
def snapstart_clones(request: pytest.FixtureRequest) -> Callable[..., Clones]:
    """Return what restores a function n times from one snapshot: `snapstart_clones(3)`.

    Takes what `snapboot_devkit.testing.clones.restored` takes; `task_root` is the folder that the
    setting `lambda_task_root` names.
    """
    with _explained("snapstart_clones"):
        from snapboot_devkit.testing.clones import restored  # noqa: PLC0415 - see above

    def clones(count: int, handler: str = "app.handler", **settings: Any) -> Clones:
        usual = {"task_root": request.config.rootpath / request.config.getini(TASK_ROOT)}
        return restored(count, handler, **usual | settings)

    return clones


@contextlib.contextmanager
def _explained(fixture: str) -> Iterator[None]:
    """Say which extra a missing package is in."""
    try:
        yield
    except ModuleNotFoundError as exc:
        from snapboot_devkit import extras  # noqa: PLC0415

        remedy = extras.remedy(exc)
        if remedy is None:
            raise
        raise pytest.UsageError(f"{fixture}: {remedy}") from None


def _opening(request: pytest.FixtureRequest) -> Iterator[Callable[..., LambdaFunction]]:
    with _explained("lambda_function"):
        from snapboot_devkit.testing import LambdaFunction  # noqa: PLC0415 - see above

    with contextlib.ExitStack() as opened:

        def open_function(handler: str = "", **settings: Any) -> LambdaFunction:
            usual = {"task_root": request.config.rootpath / request.config.getini(TASK_ROOT)}
            return opened.enter_context(LambdaFunction(handler, **usual | settings))

        yield open_function
