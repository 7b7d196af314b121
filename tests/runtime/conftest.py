"""What the tests of the runtime start from."""

from tests.fakes.fixtures import bare_python, bytecode, flat, function, over, scene

__all__ = ["bare_python", "bytecode", "flat", "function", "over", "scene"]
