"""The README and docs/: their commands are accepted, their snippets run, their links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.request

import pytest

from oracles import web
from snapboot_devkit import events
from snapboot_devkit.cli.commands import COMMANDS, parser
from snapboot_devkit.host import InitializationType
from snapboot_devkit.profile import gate
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
SNAP_START = InitializationType.SNAP_START


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


def kind(body):
    """Return how a Python block is run; every block is run in one of these ways."""
    if "\ndef test_" in f"\n{body}":
        return "test"
    if "\nasync with" in body:
        return "asyncio"
    return "handler" if re.search(r"def handler|^handler = ", body, re.MULTILINE) else "hooks"


SNIPPETS = [(page, kind(body), body) for page, body in blocks("python")]


def test_there_are_snippets_of_every_kind():
    assert {kind for _, kind, _ in SNIPPETS} == {"test", "asyncio", "handler", "hooks"}


def of_kind(wanted):
    found = [(page, body) for page, one, body in SNIPPETS if one == wanted]
    ids = [
        f"{page}, line {PAGES[page].count(chr(10), 0, PAGES[page].index(body)) + 1}"
        for page, body in found
    ]
    return pytest.mark.parametrize("body", [body for _, body in found], ids=ids)


@of_kind("test")
def test_a_test_of_the_documentation_passes(body, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(snippet("docs/getting-started.md", "def handler"))
    (tmp_path / "test_app.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout


@of_kind("handler")
def test_a_handler_of_the_documentation_answers_a_request(body, tmp_path):
    (tmp_path / "app.py").write_text(body)
    env = {"PYTHONPATH": str(web.folder("fastapi"))} if "fastapi" in body else {}
    with LambdaFunction("app.handler", task_root=tmp_path, timeout=30, env=env) as function:
        stream = function.stream(events.event("function-url"))
        assert sum(map(len, stream)) > 0
        assert stream.error is None


@of_kind("hooks")
def test_hooks_of_the_documentation_are_registered(body, tmp_path):
    (tmp_path / "app.py").write_text(f"{body}\ndef handler(event, context):\n    return event\n")
    with LambdaFunction("app.handler", task_root=tmp_path, initialization=SNAP_START) as one:
        assert one.invoke(1).json() == 1


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


# ---- commands that run --------------------------------------------------------------------------

# What needs neither an account, nor a container engine, nor an end by hand. tests/devkit and
# tests/shipping have the packages of other forms, `start`, and the lines of examples/README.md.
LOCAL = {"invoke", "profile", "rehearse", "package", "audit"}


def here(words):
    """Return a command as it can run here: `package` for this Python, which stays out of the zip."""
    if words[0] != "package":
        return tuple(words)
    kept = list(words)
    for option in ("--python", "--arch"):
        if option in kept:
            del kept[kept.index(option) : kept.index(option) + 2]
    return (*dict.fromkeys((*kept, "--no-interpreter")),)


def is_local(page, words):
    return (
        words[0] in LOCAL
        and page != "examples/README.md"
        and "--logs" not in words  # of functions on Lambda
        and ("--as" not in words or words[words.index("--as") + 1] == "zip")
    )


RUN = sorted({here(words) for page, words in OURS if is_local(page, words)}, reverse=True)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with all that the commands name: `src`, `app.py`, the examples."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return event\n")
    (tmp_path / "src").mkdir()
    shutil.copy(tmp_path / "app.py", tmp_path / "src")
    return tmp_path


def ours(folder, words):
    command = [sys.executable, "-m", "snapboot_devkit", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", RUN, ids=shlex.join)
def test_a_command_that_needs_no_account_succeeds(words, folder):
    if words[0] == "audit":
        first = next(one for one in RUN if one[0] == "package")
        assert ours(folder, first).returncode == 0
    if "--baseline" in words:
        before = words[: words.index("--baseline")]
        (folder / "base.json").write_text(ours(folder, (*before, "--json")).stdout)
    done = ours(folder, words)
    if done.returncode in {gate.SLOWER, gate.CANNOT_TELL, gate.TOO_SLOW}:
        # On a busy machine two measurements of the same may differ.
        assert "--baseline" in words or "--fail-above" in words
        assert "verdict: " in done.stdout
    else:
        assert done.returncode == 0, done.stderr
    if words[0] == "invoke":
        assert json.loads(done.stdout) == {"name": "Ada"}
    elif words[0] == "package":
        assert (folder / "dist" / "function.zip").is_file()
    else:
        assert done.stdout


# ---- getting started ----------------------------------------------------------------------------

STEP = re.compile(
    r"`(?P<file>[\w./]+\.py)`[^\n]*:\n\n```python\n(?P<body>.*?)^```"
    r"|^```(?:sh|console)\n(?P<shell>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
# What the test has already, and what takes an account.
NOT_RUN = {"python3", ".", "pip", "aws"}


def steps(page):
    """Give what a page says to do: a file's name and text, or a command's words and output."""
    for found in STEP.finditer(PAGES[page]):
        if found["file"]:
            yield found["file"], found["body"]
            continue
        text = found["shell"].replace("\\\n", " ")
        prompt = "$ " if text.startswith("$ ") else ""
        for part in re.split(rf"^{re.escape(prompt)}", text, flags=re.MULTILINE):
            first, *output = part.splitlines() or [""]
            if first and (prompt or not output):
                yield shlex.split(first), output
            else:
                yield from ((shlex.split(line), []) for line in part.splitlines())


def served(folder, words):
    """Start what serves, on a free port; return its process and the port."""
    command = [sys.executable, "-m", "snapboot_devkit", *words, "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(DEADLINE_S, process.kill)
    guard.start()
    for line in process.stderr:
        if found := re.search(r"Serving at http://127\.0\.0\.1:(\d+)", line):
            guard.cancel()
            return process, int(found[1])
    pytest.fail(f"{shlex.join(words)} does not serve")


def called(words, port):
    """Return what a call by curl answers."""
    _, url, option, data = words
    assert option == "-d"
    request = urllib.request.Request(url.replace(":9000", f":{port}"), data.encode())
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        return response.read().decode()


@pytest.fixture
def hosts():
    """Return a list of processes that are killed in the end."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def followed(folder, words):
    """Run a command of a page in a folder, and return it with its output."""
    program, *rest = words
    if program == "snapboot":
        return ours(folder, here(rest))
    command = [sys.executable if program == "python" else program, *rest]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_getting_started_works_from_its_first_line_to_its_last(tmp_path, hosts):
    done = []
    for step, content in steps("docs/getting-started.md"):
        if isinstance(step, str):
            (tmp_path / step).parent.mkdir(exist_ok=True)
            (tmp_path / step).write_text(content)
            continue
        done.append(step[1] if step[0] == "snapboot" else step[0])
        if done[-1] == "start":
            host, port = served(tmp_path, step[1:])
            hosts.append(host)
        elif done[-1] == "curl":
            assert called(step, port) == content[-1]
        elif step[0] not in NOT_RUN:
            ran = followed(tmp_path, step)
            assert ran.returncode == 0, (step, ran.stdout, ran.stderr)
            assert not content or ran.stdout.splitlines()[-1] == content[-1]
    assert done[:3] == ["python3", ".", "pip"]
    assert done[3:] == [
        "invoke", "start", "curl", "python", "profile", "rehearse", "package", "audit", "aws",
    ]  # fmt: skip
