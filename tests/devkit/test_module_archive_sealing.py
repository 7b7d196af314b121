"""Sealing a function's modules, and compiling a folder: by the interpreter they are made for."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from snapboot_devkit.package.binary import modules
from snapboot_devkit.package.in_target.discovery import Found
from snapboot_devkit.package.in_target.failure import WorkerError
from snapboot_devkit.package.in_target.sealing import read_source
from snapboot_devkit.package.outputs.sealing import SealOptions, Worker
from tests.fakes.contenders import ROOT

IN_TARGET = ROOT / "devkit/snapboot_devkit/package/in_target"
RUNTIME = ROOT / "runtime"
DEADLINE_S = 60


def in_target(*arguments: object, **environment: str) -> dict[str, Any]:
    """Return the answer of the program, whose exit status must go with it."""
    done = subprocess.run(
        [sys.executable, "-SsP", str(IN_TARGET), *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
        env={**os.environ, **environment},
    )
    document = json.loads(done.stdout)
    assert done.returncode == (1 if "error" in document else 0)
    return document


class Task:
    """A function's code, and what sealing it comes to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, source: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def app(self, source: str) -> Path:
        return self.write(
            "app.py", textwrap.dedent(source) + "\ndef handler(event, context): ...\n"
        )

    def seal(self, *options: object, handler: str = "app.handler", **environment: str) -> Any:
        arguments = ("seal", self.root, "--handler", handler, "--runtime", RUNTIME, *options)
        return in_target(*arguments, **environment)

    def refused(self, *options: object, handler: str = "app.handler") -> dict[str, str]:
        """Return the error of a sealing that fails, and leaves no archive."""
        document = self.seal(*options, handler=handler)
        assert not [path for path in self.root.iterdir() if path.name.startswith(modules.NAME)]
        return document["error"]

    def archive(self) -> modules.ModuleArchive:
        return modules.read((self.root / modules.NAME).read_bytes())

    def sealed(self) -> dict[str, modules.SealedModule]:
        return {module.name: module for module in self.archive().modules}


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "task").mkdir()
    return Task(tmp_path / "task")


def code_of(task: Task, name: str) -> Any:
    module = task.sealed()[name]
    content = (task.root / modules.NAME).read_bytes()
    return marshal.loads(content[module.offset : module.offset + module.length])


# --- what is sealed -------------------------------------------------------------------------------


def test_what_the_handler_imports_is_sealed_in_the_order_of_import(task: Task):
    task.write("package/__init__.py")
    task.write("package/member.py", "import last")
    task.write("last.py")
    task.write("unused.py")
    task.app("import package.member")
    document = task.seal()
    own = [module.name for module in task.archive().modules if module.path]
    assert own == ["app", "package", "package.member", "last"]
    assert document["modules"] == len(task.archive().modules)
    assert document["left_out"] == {}


def test_a_module_is_where_its_home_and_tail_say(task: Task):
    task.write("package/inner/leaf.py")
    task.write("package/__init__.py")
    task.app("import package.inner.leaf, colorsys, json")
    task.seal()
    places = {name: (m.home, m.tail) for name, m in task.sealed().items()}
    assert places["app"] == ("t", "app.py")
    assert places["package"] == ("t", "package/__init__.py")
    assert places["package.inner.leaf"] == ("tpackage/inner", "leaf.py")
    assert places["colorsys"] == ("s", "colorsys.py")
    assert places["json"] == ("s", "json/__init__.py")
    assert places["json.decoder"] == ("sjson", "decoder.py")
    assert "package.inner" not in places  # a namespace package


def test_homes_stand_in_the_order_of_the_path(task: Task):
    task.write("vendored/second.py")
    task.write("late/first.py")
    task.write("package/member.py")
    task.write("my.pth", "vendored\n")
    task.app("""
        import colorsys, second, package.member, sys
        sys.path.insert(0, __file__.replace("app.py", "late"))
        import first
    """)
    task.seal()
    homes = marshal.loads(index_of(task))[0]
    # The standard library's own order is none of ours.
    assert [home for home in homes if home[0] == "t"] == ["tlate", "t", "tvendored", "tpackage"]
    assert homes.index("t") < homes.index("s") < homes.index("tpackage")


def index_of(task: Task) -> bytes:
    content = (task.root / modules.NAME).read_bytes()
    start, length = (int.from_bytes(content[at : at + 8], "little") for at in (32, 40))
    return content[start : start + length]


def test_neither_the_runtime_nor_what_is_loaded_before_the_function_is_sealed(task: Task):
    task.app("import snapboot, snapshot_restore_py, encodings.utf_8, sys, posix, abc, __main__")
    task.seal()
    names = {name.partition(".")[0] for name in task.sealed()}
    assert names.isdisjoint({"snapboot", "snapshot_restore_py", "__main__", "encodings", "posix"})


def test_frames_will_show_the_paths_on_lambda(task: Task, tmp_path):
    task.write("package/__init__.py")
    task.write("package/member.py", "def outer():\n    def inner(): ...\n")
    task.app("import package.member, orjson_stand_in")
    layer = tmp_path / "layer"
    shutil.copytree(RUNTIME / "snapboot", layer / "runtime/snapboot")
    (layer / "runtime/orjson_stand_in.py").write_text("")
    task.seal("--runtime", layer / "runtime", "--place", f"{layer}=/opt")
    assert code_of(task, "app").co_filename == "/var/task/app.py"
    code = code_of(task, "package.member")
    (outer,) = (value for value in code.co_consts if hasattr(value, "co_filename"))
    assert outer.co_filename == "/var/task/package/member.py"
    beside = task.sealed()["orjson_stand_in"]
    assert (beside.home, beside.tail) == ("r", "orjson_stand_in.py")
    assert code_of(task, "orjson_stand_in").co_filename == "/opt/runtime/orjson_stand_in.py"


def test_a_folder_inside_of_the_function_s_code_may_hold_the_runtime(task: Task):
    shutil.copytree(RUNTIME / "snapboot", task.root / ".snapboot/runtime/snapboot")
    task.write(".snapboot/runtime/beside.py")
    task.app("import beside")
    task.seal("--runtime", task.root / ".snapboot/runtime")
    assert task.sealed()["beside"].home == "r"


def test_modules_are_included_by_name_with_what_they_import(task: Task):
    task.write("late.py", "import later")
    task.write("later.py")
    task.app("")
    task.seal("--include", "late")
    assert [m.name for m in task.archive().modules if m.path] == ["app", "late", "later"]


def test_everything_below_a_package_is_included_without_running_it(task: Task):
    task.write("package/__init__.py")
    task.write("package/one.py", "raise SystemExit('this is not to be run')")
    task.write("package/inner/__init__.py")
    task.write("package/inner/two.py")
    task.write("package/space/three.py")
    task.write("package/space/deep/four.py")
    task.write("package/not-a-module.py")
    task.app("")
    task.seal("--include", "package.*")
    assert [m.name for m in task.archive().modules if m.path] == [
        "app", "package", "package.inner", "package.inner.two", "package.one",
        "package.space.deep.four", "package.space.three",
    ]  # fmt: skip


def test_the_sealed_code_is_that_of_the_sources(task: Task):
    task.write("tool.py", "value = [n * 2 for n in (1, 2, 3)]\n")
    task.app("import tool")
    task.seal()
    names: dict[str, Any] = {}
    exec(code_of(task, "tool"), names)
    assert names["value"] == [2, 4, 6]
    archive = task.archive()
    assert archive.suits(importlib.util.MAGIC_NUMBER, sys.hexversion)
    assert archive.damaged() == []
    assert archive.sources["tool"] == importlib.util.source_hash(
        (task.root / "tool.py").read_bytes()
    )


def test_the_same_code_gives_the_same_bytes_wherever_and_whenever(task: Task, tmp_path):
    imports = "for name in {'one', 'two', 'three', 'four'}:\n    __import__(name)\n"
    for name in ("one", "two", "three", "four", "elsewhere"):
        task.write(f"{name}.py", f"value = 'elsewhere', {name!r}, {{1, 2, 'x', 'y'}}\n")
    task.app(imports)
    shutil.copytree(task.root, tmp_path / "elsewhere")
    other = Task(tmp_path / "elsewhere")
    os.utime(other.root / "one.py", (1, 1))
    # Under these two seeds the set has different orders.
    task.seal(PYTHONHASHSEED="1")
    other.seal(PYTHONHASHSEED="3", ELSEWHERE="elsewhere")
    first, second = ((each.root / modules.NAME).read_bytes() for each in (task, other))
    assert first == second


def test_what_lambda_gives_a_function_is_there_while_it_is_sealed(task: Task):
    names = (
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "TZ", "LANG",
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "_HANDLER",
    )  # fmt: skip
    task.app(f"import os\nfor name in {names!r}:\n    assert os.environ[name]")
    sealed = Worker(Path(sys.executable)).seal(
        task.root, SealOptions("app.handler", RUNTIME, (), {})
    )
    assert sealed.modules == len(task.archive().modules)


def test_an_archive_of_before_plays_no_part(task: Task):
    task.write("tool.py", "value = 1")
    task.app("import tool")
    task.seal()
    task.write("tool.py", "import newer\nvalue = 2")
    task.write("newer.py")
    task.seal()
    assert "newer" in task.sealed()


def test_extension_modules_may_be_named_for_another_architecture(task: Task):
    from importlib.machinery import EXTENSION_SUFFIXES

    task.app("import _bisect, _heapq, _csv, _queue, _socket")
    extensions = [name for name in trace(task) if trace(task)[name].endswith(EXTENSION_SUFFIXES[0])]
    if not extensions:
        pytest.skip("this interpreter has its extension modules built in")
    task.seal("--extension-suffix", ".cpython-399-elsewhere.so")
    for name in extensions:
        assert task.sealed()[name].tail == f"{name}.cpython-399-elsewhere.so"
        assert task.sealed()[name].is_extension


def trace(task: Task) -> dict[str, str]:
    document = in_target("trace", task.root, "--handler", "app.handler", "--runtime", RUNTIME)
    return {module["name"]: module["path"] for module in document["modules"]}


def test_what_the_function_prints_is_no_part_of_the_answer(task: Task):
    task.app("import os, sys; print('hello'); os.write(1, b'raw'); sys.stdout.write('more')")
    assert task.seal()["modules"]


def test_threads_and_exit_handlers_of_the_function_are_not_waited_for(task: Task):
    task.app("""
        import atexit, threading
        atexit.register(threading.Event().wait)
        threading.Thread(target=threading.Event().wait).start()
    """)
    assert task.seal()["modules"]


def test_names_of_the_sealer_are_the_user_s(task: Task):
    names = [path.stem for path in IN_TARGET.glob("[!_]*.py")]
    for name in (*names, "snapboot_in_target", "json", "traceback"):
        task.write(f"{name}.py", f"mine = {name!r}")
    task.app(f"import {', '.join(names)}, json, traceback; assert json.mine == 'json'")
    task.seal()
    assert {name for name in names if task.sealed()[name].path == f"{name}.py"} == set(names)


# --- what is left out -----------------------------------------------------------------------------


def test_a_module_that_will_not_be_there_is_left_out_and_reported(task: Task, tmp_path):
    (tmp_path / "outside.py").write_text("")
    task.app(f"import sys; sys.path.append({str(tmp_path)!r}); import outside")
    (name, reason), *_ = task.seal()["left_out"].items()
    assert name == "outside"
    assert str(tmp_path / "outside.py") in reason
    assert "outside" not in task.sealed()


def test_a_module_that_is_a_link_out_of_the_code_is_left_out_and_reported(task: Task, tmp_path):
    (tmp_path / "target.py").write_text("")
    (task.root / "linked.py").symlink_to(tmp_path / "target.py")
    task.app("import linked")
    assert str(tmp_path / "target.py") in task.seal()["left_out"]["linked"]


def test_modules_of_other_loaders_are_left_to_the_import_system(task: Task):
    import py_compile
    import zipfile

    with zipfile.ZipFile(task.root / "library.zip", "w") as library:
        library.writestr("zipped.py", "")
    py_compile.compile(str(task.write("gone.py")), cfile=str(task.root / "sourceless.pyc"))
    task.app("""
        import sys, types
        sys.path.append(__file__.replace("app.py", "library.zip"))
        import zipped, sourceless
        sys.modules["made"] = types.ModuleType("made")
        sys.modules["odd"] = object()
    """)
    task.seal()
    assert [module.name for module in task.archive().modules if module.path] == ["app"]


def test_a_module_that_was_found_in_one_place_and_is_in_another_is_left_out(task: Task):
    task.write("first/tool.py", "value = 1")
    task.write("tool.py", "value = 2")
    task.app("""
        import sys
        sys.path.insert(0, __file__.replace("app.py", "first"))
        import tool
        del sys.path[0]
    """)
    task.seal()
    assert "tool" not in task.sealed()


# --- what cannot be sealed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import does_not_exist", "No module named 'does_not_exist'"),
        ("def f(:", "Syntax error in module 'app'"),
        ("raise KeyError('TABLE')", "KeyError: 'TABLE'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(7)", "exit status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("class E(Exception):\n    def __str__(self): return 'odd'\nraise E", "E: odd"),
    ],
)
def test_a_handler_that_cannot_be_imported_is_reported_in_the_exception_s_words(
    task, source, words
):
    task.app(source)
    error = task.refused()
    assert words in error["message"]
    assert "'app.handler'" in error["message"]
    if source != "def f(:":
        assert "--env" in error["remedy"] or "--requirements" in error["remedy"]
        assert "--no-archive" in error["remedy"]
    assert error["mayWork"] == (source != "def f(:")


def test_a_process_that_dies_is_reported_with_the_last_it_said(task: Task):
    task.app("import os; os.write(2, b'x' * 9000 + b'no licence \\xe2\\x82\\xac'); os._exit(7)")
    error = task.refused()
    assert error["message"].endswith("ended with exit status 7")
    assert error["detail"].endswith("xx" + "no licence €")
    assert len(error["detail"]) == 2000


def test_a_name_of_a_module_that_is_no_text_is_passed_over(task: Task):
    task.write("other.py")
    task.app("import sys; sys.modules[3] = sys; import other")
    task.seal()
    assert {"app", "other"} <= set(task.sealed())


def test_an_exception_of_the_users_may_be_called_fault(task: Task):
    task.app("class Fault(Exception): ...\nraise Fault('valve')")
    error = task.refused()
    assert "Fault: valve" in error["message"]
    assert error["detail"].endswith("app.Fault: valve\n")


def test_the_traceback_begins_in_the_user_s_code(task: Task):
    task.write("inner.py", "raise ValueError('no table')")
    task.app("import inner")
    detail = task.refused()["detail"]
    first = next(line for line in detail.splitlines() if line.startswith("  File"))
    assert "app.py" in first
    assert detail.endswith("ValueError: no table\n")


@pytest.mark.parametrize(
    ("handler", "words", "remedy"),
    [
        ("app.nothing", "Handler 'nothing' missing on module 'app'", "that the module has"),
        ("nothing.handler", "No module named 'nothing'", "--requirements"),
        ("handler", "Bad handler 'handler'", "module.function"),
        ("sys.exit", "built-in module sys", "rename the module"),
        ("broken.handler", "Syntax error in module 'broken'", "correct it"),
    ],
)
def test_a_handler_that_is_not_there_is_reported_with_what_to_do(
    task: Task, handler, words, remedy
):
    task.app("")
    task.write("broken.py", "def f(:")
    error = task.refused(handler=handler)
    assert words in error["message"]
    assert remedy in error["remedy"]
    assert "snapboot.faults" not in error["detail"]


def test_a_module_to_be_included_that_is_not_there_is_reported(task: Task):
    task.app("")
    assert "No module named 'nothing'" in task.refused("--include", "nothing")["message"]


def test_a_module_that_cannot_be_compiled_is_reported(task: Task):
    task.write("package/__init__.py")
    path = task.write("package/other.py", "print 'an older Python'")
    task.app("")
    error = task.refused("--include", "package.*")
    assert str(path) in error["message"]
    assert "print" in error["message"]


def _found(path: Path) -> Found:
    status = path.stat()
    return Found("tool", str(path), is_source=True, size=status.st_size, changed=status.st_mtime_ns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_text("value = 123"), "has changed while it was being sealed"),
        (lambda path: os.utime(path, (1, 1)), "has changed while it was being sealed"),
        (lambda path: path.unlink(), "cannot read"),
    ],
)
def test_a_module_that_changes_between_its_import_and_its_sealing_is_reported(task, change, words):
    path = task.write("tool.py", "value = 1")
    found = _found(path)
    assert read_source(found) == b"value = 1"
    change(path)
    with pytest.raises(WorkerError) as caught:
        read_source(found)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_processes_that_the_function_leaves_behind_are_not_waited_for(task: Task):
    task.app("import os, signal\nif os.fork() == 0:\n    signal.pause()")
    assert task.seal()["modules"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ('mount --bind -o ro "$1" "$1"', "Read-only file system"),
        ('cp "$1/app.py" "$1/.." && mount -t tmpfs -o size=8k none "$1" && cp "$1/../app.py" "$1"',
         "No space left on device"),
    ],
    ids=["read-only", "full"],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_is_reported_and_holds_no_scrap(task: Task, mount, words):
    task.app("import colorsys")
    script = f'{mount}; cd "$1"; shift; "$@" || ls -A 1>&2'
    command = [sys.executable, "-SsP", str(IN_TARGET), "seal", str(task.root)]
    command += ["--handler", "app.handler", "--runtime", str(RUNTIME)]
    prefix = ["unshare", "--mount", "sh", "-euc", script, "sh", str(task.root)]
    done = subprocess.run([*prefix, *command], capture_output=True, check=False, timeout=60)
    if not done.stdout:
        pytest.skip(f"cannot mount here: {done.stderr!r}")
    message = json.loads(done.stdout)["error"]["message"]
    assert str(task.root / modules.NAME) in message
    assert words in message
    # The runtime says there, as on Lambda, that bytecode is missing.
    left = [line for line in done.stderr.decode().splitlines() if not line.startswith("[WARNING]")]
    assert left == ["app.py"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["seal"], "required"),
        (["seal", "/nowhere/at/all", "--handler", "a.b"], "no folder '/nowhere/at/all'"),
        (["unknown"], "invalid choice"),
    ],
)
def test_a_command_line_that_says_too_little_is_refused(arguments, words):
    assert words in in_target(*arguments)["error"]["message"]


# --- compiling a folder ---------------------------------------------------------------------------


def test_everything_is_compiled_for_the_place_it_will_have(task: Task):
    task.write("package/__init__.py", "value = 1")
    task.write("package/member.py", "'Words.'")
    assert in_target("compile", task.root, "--as", "/var/task") == {
        "files": 2,
        "failed": {},
        "tag": sys.implementation.cache_tag,
    }
    source = task.root / "package/member.py"
    content = Path(importlib.util.cache_from_source(source)).read_bytes()
    assert content[:8] == importlib.util.MAGIC_NUMBER + b"\1\0\0\0"
    assert content[8:16] == importlib.util.source_hash(source.read_bytes())
    assert marshal.loads(content[16:]).co_filename == "/var/task/package/member.py"


def test_the_import_system_uses_it_without_a_look_at_the_source(task: Task):
    source = task.write("tool.py", "print('compiled')")
    in_target("compile", task.root, "--as", task.root)
    source.write_text("print('the source was looked at')")
    done = subprocess.run(
        [sys.executable, "-c", "import tool"], cwd=task.root, capture_output=True, check=True
    )
    assert done.stdout == b"compiled\n"


def test_a_file_that_is_not_python_is_reported_and_left(task: Task, tmp_path):
    task.write("good.py")
    task.write("templates/module.py", "class {{ name }}: pass")
    (task.root / "null.py").write_bytes(b"a = 1\0")
    (task.root / "foreign.py").write_bytes(b"a = '\xff'")
    os.mkfifo(task.root / "pipe.py")
    (task.root / "linked.py").symlink_to(tmp_path)
    document = in_target("compile", task.root, "--as", "/var/task")
    assert document["files"] == 1
    assert sorted(document["failed"]) == ["foreign.py", "null.py", "pipe.py", "templates/module.py"]
    assert "line 1" in document["failed"]["templates/module.py"]


def test_the_same_folder_gives_the_same_bytecode_in_any_place(task: Task, tmp_path):
    for number in range(5):
        task.write(
            f"m{number}.py", f"x = 'alpha', {{'beta', 'gamma', {number}}}, 'task', 'other'\n"
        )
    shutil.copytree(task.root, tmp_path / "other")
    in_target("compile", task.root, "--as", "/var/task", PYTHONHASHSEED="1")
    in_target("compile", tmp_path / "other", "--as", "/var/task", PYTHONHASHSEED="2")
    first, second = (
        {path.name: path.read_bytes() for path in folder.glob("__pycache__/*.pyc")}
        for folder in (task.root, tmp_path / "other")
    )
    assert len(first) == 5
    assert first == second


def test_bytecode_and_archive_may_be_read_by_everybody(task: Task):
    task.app("")
    before = os.umask(0o077)
    try:
        in_target("compile", task.root, "--as", "/var/task")
        task.seal()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in task.root.rglob("*")}
    assert modes["__pycache__"] == 0o755
    assert modes[f"app.{sys.implementation.cache_tag}.pyc"] == 0o644
    assert modes[modules.NAME] == 0o644
