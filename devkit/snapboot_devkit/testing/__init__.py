"""Functions under test, on the local host: for synchronous tests, with or without pytest.

from snapboot_devkit.testing import LambdaFunction

with LambdaFunction("app.handler", task_root="src") as function:
    assert function.invoke({"name": "Ada"}).json() == "Hello, Ada!"

Nothing here needs pytest; its fixtures are in `pytest_plugin`.
"""

from snapboot_devkit.testing.function import LambdaFunction, Result, Stream

__all__ = ["LambdaFunction", "Result", "Stream"]
