"""The public API: there at its first use, and typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MYPY_DEADLINE_S = 120


def asked(program: str):
    """Return what a program prints as JSON, in an interpreter that can import the runtime."""
    command = [
        sys.executable,
        "-SsPc",
        f"import sys; sys.path.insert(0, {str(ROOT / 'runtime')!r})\n{program}",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    return json.loads(done.stdout)


def test_importing_snapboot_loads_nothing_else():
    loaded = asked("""
before = set(sys.modules)
import snapboot
after = set(sys.modules)
import json
print(json.dumps(sorted(after - before)))
""")
    assert loaded == ["snapboot"]


def test_every_public_name_is_there_and_stays_at_its_first_use():
    asked("""
import json, snapboot
for name in snapboot.__all__:
    assert name not in vars(snapboot), name
    first = getattr(snapboot, name)
    assert vars(snapboot)[name] is first
    assert name in dir(snapboot)
print(json.dumps(None))
""")


def test_a_star_import_brings_the_public_names_and_no_other():
    names, public = asked("""
import json, snapboot
space = {}
exec("from snapboot import *", space)
print(json.dumps([sorted(set(space) - {"__builtins__"}), sorted(snapboot.__all__)]))
""")
    assert names == public


def test_an_unknown_name_is_an_attribute_error_that_says_so():
    said = asked("""
import json, snapboot
try:
    snapboot.nonsense
except AttributeError as exc:
    print(json.dumps(str(exc)))
""")
    assert said == "module 'snapboot' has no attribute 'nonsense'"


def test_the_names_a_type_checker_sees_are_those_that_are_there():
    seen, public = asked("""
import ast, json, snapboot
blocks = (node for node in ast.parse(open(snapboot.__file__).read()).body if isinstance(node, ast.If))
imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
seen = sorted(alias.name for node in imports if node.level for alias in node.names)
print(json.dumps([seen, sorted(snapboot.__all__)]))
""")
    assert seen == public


# --- types --------------------------------------------------------------------------------------

TYPED = """
from typing import Any

import snapboot
from snapboot import Context


@snapboot.before_snapshot
def close() -> None: ...


snapboot.after_restore(print, "restored", sep="")


def handler(event: dict[str, Any], context: Context) -> dict[str, str | int | None]:
    app = context.client_context.client if context.client_context else None
    current = snapboot.current_context()
    return {
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
        "name": context.function_name,
        "tenant": context.tenant_id,
        "trace": context.w3c().get("traceparent"),
        "who": context.identity.cognito_identity_id,
        "app": app.app_title if app else None,
        "current": current.invoked_function_arn if current else None,
    }


close()
"""
MISTAKEN = {
    "context.nonsense": '"Context" has no attribute "nonsense"',
    "context.get_remaining_time_in_millis().upper()": '"int" has no attribute "upper"',
    "context.client_context.custom": 'has no attribute "custom"',
    "context.function_name.upper()": 'has no attribute "upper"',
    "context.memory_limit_in_mb + 1": "Unsupported operand types",
    "snapboot.nonsense": 'Module has no attribute "nonsense"',
    "snapboot.set_codec(1)": "Too many positional arguments",
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory) -> dict[str, list[str]]:
    """Return what mypy says, file by file, of a function that is right and one that is not."""
    pytest.importorskip("mypy", reason="mypy is in the extra 'dev'")
    folder: Path = tmp_path_factory.mktemp("typed")
    (folder / "right.py").write_text(TYPED)
    mistakes = "".join(f"    {expression}\n" for expression in MISTAKEN)
    (folder / "wrong.py").write_text(
        "import snapboot\n\n"
        f"def handler(event: object, context: snapboot.Context) -> None:\n{mistakes}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", folder / "cache",
         "right.py", "wrong.py"],
        check=False, capture_output=True, text=True, timeout=MYPY_DEADLINE_S, cwd=folder,
        env={"MYPYPATH": str(ROOT / "runtime")},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert not done.stderr, done.stderr
    return {
        name: [line for line in lines if line.startswith(name)] for name in ("right.py", "wrong.py")
    }


def test_a_typed_function_passes_mypy_in_strict_mode(complaints):
    assert complaints["right.py"] == []


@pytest.mark.parametrize("expression", MISTAKEN)
def test_mypy_finds_a_mistake(complaints, expression):
    line = list(MISTAKEN).index(expression) + 4
    found = [said for said in complaints["wrong.py"] if said.startswith(f"wrong.py:{line}:")]
    assert any(MISTAKEN[expression] in said for said in found), complaints["wrong.py"]


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "runtime/snapboot/py.typed").exists()
