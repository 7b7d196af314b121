"""What each command imports: what it needs, and of that what a terminal or a mistake would."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from snapboot_devkit.cli import commands
from snapboot_devkit.host.lifecycle import effects, messages, records, terms
from snapboot_devkit.host.sandbox import reaper
from snapboot_devkit.lazy_dataclass import changed
from tests.devkit.hosted import DEADLINE_S
from tests.devkit.packages import filled

# Counted when the command is at its end, or for `start` when it listens.
PROGRAM = """
import atexit, json, os, sys
from snapboot_devkit.cli import main
def show():
    with open(sys.argv[0], "w") as file:
        json.dump(sorted(sys.modules), file)
atexit.register(show)
sys.argv = sys.argv[1:]
main()
"""
NEVER = {"typer", "click", "rich", "inspect"}
# With asyncio, which imports some hundred; newer Pythons import more.
HOST = 290
PACKAGER = {"elftools", "snapboot_devkit.package.audit", "snapboot_devkit.package.packaging"}
NOT_OF_USE = {
    *("ctypes", "difflib", "debugpy", "snapboot_devkit.debugging"),
    *("tempfile", "shutil", "random", "bz2", "lzma", "datetime", "shlex"),
    *("h11", "msgspec", "ssl", "uuid", "zipfile", "hashlib", "anyio", "multiprocessing"),
    *(
        f"snapboot_devkit.host.{name}"
        for name in ("lifecycle.managed", "routes.extensions", "routes.telemetry")
    ),
    *(
        f"snapboot_devkit.host.telemetry.{name}"
        for name in ("delivery", "json_log", "platform_events")
    ),
}
# What serves over HTTP.
FRONT = {
    # Before 3.13 `pathlib` imports it.
    *(["urllib.parse"] if sys.version_info >= (3, 13) else []),
    "snapboot_devkit.host.callers.front_end",
    "snapboot_devkit.host.routes.invoke",
}
HELP = {"asyncio", "h11", "dataclasses", "snapboot_devkit.host.local"}


def imported(tmp_path, *words):
    """Return the modules that a command has imported, beyond those of a bare interpreter."""
    note = tmp_path / "modules.json"
    command = [sys.executable, "-c", PROGRAM, note, *words]
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, timeout=DEADLINE_S
    )
    assert note.is_file(), done.stderr.decode()
    return set(json.loads(note.read_text()))


def has(modules, names):
    return {name for name in names if any(m == name or m.startswith(f"{name}.") for m in modules)}


def test_help_imports_no_command(tmp_path):
    modules = imported(tmp_path, "--help")
    assert has(modules, NEVER | PACKAGER | HELP | {"argparse"}) == set()


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_a_commands_help_needs_no_typer_no_rich_and_nothing_of_other_commands(tmp_path, command):
    modules = imported(tmp_path, command, "--help")
    others = {
        f"snapboot_devkit.cli.{module}"
        for name, (module, _) in commands.COMMANDS.items()
        if name != command
    }
    assert has(modules, {"typer", "click", "rich", *others}) == set()


def test_invoke_imports_the_host_and_neither_packager_nor_debugger(tmp_path):
    code = filled(tmp_path / "code", {"app.py": "def handler(event, context): return 1\n"})
    modules = imported(tmp_path, "invoke", "app.handler", "--task-root", code, "--timeout", "60")
    assert has(modules, {"typer", "click", "rich"} | PACKAGER | NOT_OF_USE | FRONT) == set()
    assert len(modules) <= HOST


def test_start_imports_the_host_and_neither_packager_nor_debugger(tmp_path):
    code = filled(tmp_path / "code", {"app.py": "def handler(event, context): return 1\n"})
    note = tmp_path / "modules.json"
    words = [note, "start", "app.handler", "--task-root", code, "--port", "0"]
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert "Serving at" in process.stderr.readline()
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
    modules = set(json.loads(note.read_text()))
    assert has(modules, {"typer", "click", "rich"} | PACKAGER | NOT_OF_USE) == set()
    assert len(modules) <= HOST


def test_the_sentence_of_a_command_is_the_one_of_its_help():
    for name, (_, sentence) in commands.COMMANDS.items():
        assert commands.parser(name).description.startswith(f"{sentence}\n") or (
            commands.parser(name).description == sentence
        )


LAZY = [
    one
    for module in (effects, messages, records, terms)
    for one in vars(module).values()
    if isinstance(one, type) and hasattr(one, "__dataclass_fields__")
]


def test_there_are_lazy_dataclasses():
    assert len(LAZY) > 40


@pytest.mark.parametrize("lazy", LAZY, ids=lambda lazy: lazy.__name__)
def test_a_lazy_dataclass_is_as_the_standard_librarys(lazy):
    fields = dataclasses.fields(lazy)
    values = {field.name: f"value of {field.name}" for field in fields}
    one, same = lazy(**values), lazy(*values.values())
    assert one == same
    # Messages and effects live for one step, and are not frozen.
    frozen = lazy.__module__ not in {effects.__name__, messages.__name__}
    if frozen:
        assert hash(one) == hash(same)
    else:
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)
    assert lazy.__match_args__ == lazy.__slots__ == tuple(values)
    text = ", ".join(f"{name}={value!r}" for name, value in values.items())
    assert repr(one) == f"{lazy.__name__}({text})" or "__repr__" in vars(lazy)
    for name in values:
        if frozen:
            with pytest.raises(dataclasses.FrozenInstanceError, match=repr(name)):
                setattr(one, name, 1)
        else:
            setattr(one, name, f"value of {name}")
        other = dataclasses.replace(one, **{name: "other"})
        assert getattr(other, name) == "other"
        assert other != one
    with pytest.raises(TypeError):
        lazy(**values, unknown=1)
    with pytest.raises(AttributeError):
        one.unknown = 1


@pytest.mark.parametrize("lazy", LAZY, ids=lambda lazy: lazy.__name__)
def test_a_changed_message_is_as_the_standard_library_replaces(lazy):
    names = lazy.__match_args__
    one = lazy(**{name: f"value of {name}" for name in names})
    for name in names:
        assert changed(one, **{name: "other"}) == dataclasses.replace(one, **{name: "other"})
    with pytest.raises(TypeError):
        changed(one, unknown=1)


def started_by_the_host(*words):
    """Return the modules that a program imports, started as the host starts its reaper."""
    command = [sys.executable, *reaper.OPTIONS, "-X", "importtime", *words]
    done = subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S
    )
    return {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}


def test_the_reaper_imports_no_more_than_os():
    program = Path(reaper.__file__).with_name("reaper_program.py")
    least = started_by_the_host("-c", "import os, time, __future__")
    assert started_by_the_host(program) - least == {"process_scan"}
