"""What the tests of the repository start from."""

from tests.fakes.fixtures import bare_python, bytecode, function

__all__ = ["bare_python", "bytecode", "function"]
