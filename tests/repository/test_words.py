"""What users read is in plain words: the field's own, and none that only this project uses."""

from __future__ import annotations

import ast
import re

import pytest

from snapboot_devkit.cli.commands import COMMANDS, parser
from tests.fakes.contenders import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs a checkout")

# By what is said instead.
PRIVATE = {
    "logged, reported, sent": r"told|tells|telling",  # "cannot tell" is a benchmark's verdict
    "no one, a caller, anyone": r"nobody|somebody|whoever",
    "again": r"anew",
    "so that … not": r"lest",
    "of it, from where, by it": r"thereof|whence|thereby|hence",
    "not available, not installed": r"(?:can|is|are) (?:not|no) (?:to )?be had",
    "not JSON, not a handler": r"(?<!there )(?:is|are) no (?:\w+ )?(?:JSON|handler|file|name|change)",
    "is, contains": r"lies|lie",
}
WORDS = re.compile("|".join(rf"\b(?:{words})\b" for words in PRIVATE.values()), re.IGNORECASE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [
    path
    for folder in ("devkit", "runtime", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def private(text):
    return {found[0] for found in WORDS.finditer(text)}


def messages(source):
    """Return the texts of a module that are not docstrings."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if hasattr(node, "body")]
    docstrings = {
        id(node.body[0].value)
        for node in nodes
        if isinstance(node.body, list) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in docstrings and " " in text.strip():
            yield text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_private_word(page):
    assert private(page.read_text()) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_has_no_private_word(command):
    assert private(parser(command).format_help()) == set()


def test_no_message_has_a_private_word():
    found = {
        (str(path.relative_to(ROOT)), text)
        for path in MODULES
        for text in messages(path.read_text())
        if private(text)
    }
    assert found == set()


def test_a_private_word_is_found():
    assert private("Nobody told it anew") == {"Nobody", "told", "anew"}
    assert list(messages('"""told"""\nx = f"is told {x} there"')) == ["is told "]
