"""The README and docs/: their commands are accepted, their snippets run, their links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from snapboot_devkit.cli.commands import COMMANDS, parser
from snapboot_devkit.testing import LambdaFunction
from tests.fakes.contenders import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs a checkout")

PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md")
    for path in sorted(ROOT.glob(pattern))
}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SHELLS = {"sh", "console", "bash", "shell"}
DEADLINE_S = 60.0


def blocks(*languages):
    """Give each fenced block in one of these languages: its page, and its text without indent."""
    for page, text in PAGES.items():
        for indent, language, body in FENCE.findall(text):
            if language in languages:
                yield page, re.sub(f"^{indent}", "", body, flags=re.MULTILINE)


def commands():
    """Give each command of the pages, as words; of `console` blocks those behind a `$`."""
    for page, body in blocks(*SHELLS):
        text = body.replace("\\\n", " ")
        lines = text.splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            for part in re.split(r"&&|\|", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:
                    continue  # half a command, such as a quoted document over several lines
                if words:
                    yield page, words


def mentions(program):
    """Give each command of a program that is named in a sentence: its page and its words."""
    for page, text in PAGES.items():
        for inline in re.findall(rf"`{program}\s+([^`…]+)`", FENCE.sub("", text)):
            yield page, shlex.split(inline)


def anchors(text):
    """Return the anchors that GitHub gives a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_every_link_leads_to_a_file_and_a_heading():
    broken = []
    for page, text in PAGES.items():
        for target in LINK.findall(FENCE.sub("", text)):
            path, _, anchor = target.partition("#")
            if "://" in path:
                continue
            there = (ROOT / page).parent / path if path else ROOT / page
            if not there.exists() or (
                anchor and anchor not in anchors(there.read_text(encoding="utf-8"))
            ):
                broken.append((page, target))
    assert broken == []


def test_every_page_of_the_documentation_is_in_its_list():
    listed = set(LINK.findall(PAGES["docs/README.md"]))
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    assert pages - listed == {"README.md"}


OURS = [(page, words[1:]) for page, words in commands() if words[0] == "snapboot"]
NAMED = list(mentions("snapboot"))


def shown(case):
    page, words = case
    return f"{page}: {shlex.join(words)[:60]}"


@pytest.mark.parametrize("case", OURS, ids=map(shown, OURS))
def test_every_command_is_accepted(case):
    name, *words = case[1]
    assert name in COMMANDS
    assert "--help" in words or parser(name).values(words)


@pytest.mark.parametrize("case", NAMED, ids=map(shown, NAMED))
def test_every_option_that_a_sentence_names_exists(case):
    known = {"--help", "--version"}
    if not case[1][0].startswith("-"):
        known |= {option.name for option in parser(case[1][0]).options()}
    assert {word for word in case[1] if word.startswith("--")} - known == set()


def test_every_target_and_variable_of_make_exists():
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    variables = set(re.findall(r"\$[({](\w+)", text))
    typed = [words[1:] for _, words in commands() if words[0] == "make"]
    written = {
        word for words in (*typed, *(words for _, words in mentions("make"))) for word in words
    }
    named = {word for word in written if "=" not in word}
    assert named - targets == set()
    assert {word.partition("=")[0] for word in written - named} - variables == set()
    assert {"demo", "test"} <= named


def test_every_python_snippet_is_valid():
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for page, body in blocks("python"):
        compile(body, page, "exec", flags)


# ---- snippets that run --------------------------------------------------------------------------


def snippet(page, containing):
    """Return the one Python block of a page that contains a text."""
    (found,) = (body for where, body in blocks("python") if where == page and containing in body)
    return found


def test_the_readmes_handler_answers(tmp_path):
    (tmp_path / "app.py").write_text(snippet("README.md", "def handler"))
    with LambdaFunction("app.handler", task_root=tmp_path, timeout=30) as function:
        stream = function.stream({})
        assert b"".join(stream) == b"first second"
        assert stream.status == 200


@pytest.mark.parametrize("page", ["README.md", "docs/testing.md"])
def test_the_test_of_the_documentation_passes(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "test_app.py").write_text(snippet(page, "lambda_function"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_host_runs_from_asyncio_as_the_documentation_says(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code = compile(
        snippet("docs/testing.md", "LocalHost"),
        "testing.md",
        "exec",
        ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    names = {}
    result = eval(code, names)  # it is the documentation's own
    assert inspect.iscoroutine(result)
    asyncio.run(result)
    assert "Hello, " in capsys.readouterr().out
