"""What users read is in plain words: the field's own, and none that only this project uses."""

from __future__ import annotations

import ast
import io
import re
import tokenize

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
# Of names alone; "cannot tell" is a verdict.
NAMES = re.compile(rf"{WORDS.pattern}|^tell\b|\b(?:vacancy|untouched|wishes)\b", re.IGNORECASE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [
    path
    for folder in ("devkit", "runtime", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
# What is read whole: messages, docstrings, comments and names.
CODE = [
    path
    for folder in (
        ".ci",
        "benchmarks",
        "devkit",
        "examples",
        "image",
        "oracles",
        "runtime",
        "tests",
    )
    for path in sorted((ROOT / folder).rglob("*.py"))
    # Functions as users write them, some broken on purpose; and this test's own list.
    if "functions" not in path.parts and path.name != "test_words.py"
]


def private(text):
    return {found[0] for found in WORDS.finditer(text)}


def private_in_code(source):
    """Return the private words of a module's docstrings, comments and names."""
    words = apart(source)
    if not NAMES.search(words) and "tell" not in words:
        return set()  # mostly; the rest takes long
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found |= private(token.string)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED):
            found |= private(ast.get_docstring(node) or "")
        for name in bound(node):
            found |= {name for _ in NAMES.finditer(apart(name))}
    return found


def apart(name):
    """Return the words of a name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def bound(node):
    """Yield the names that a node of a syntax tree gives to something."""
    if isinstance(node, DOCUMENTED[1:]):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield from {node.attr} - {"tell"}  # as files have it


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
        if private(source := path.read_text("utf-8"))
        for text in messages(source)
        if private(text)
    }
    assert found == set()


def found_in(paths):
    named = {
        str(path.relative_to(ROOT)): private_in_code(path.read_text("utf-8")) for path in paths
    }
    return {name: words for name, words in named.items() if words}


def test_no_docstring_comment_or_name_has_a_private_word():
    assert len(CODE) > 300
    assert found_in(CODE) == {}


def test_a_private_word_is_found():
    assert private("Nobody told it anew") == {"Nobody", "told", "anew"}
    assert list(messages('"""told"""\nx = f"is told {x} there"')) == ["is told "]
    assert private_in_code("""
def tell_all(whoever):  # anew
    'Nobody asks.'
    was_told = self.vacancy = 1
""") == {"tell_all", "whoever", "anew", "Nobody", "was_told", "vacancy"}
    assert private_in_code("file.tell()") == set()
