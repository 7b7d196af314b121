"""The installed wheel: `python -m snapboot app.handler`, in place of `python -m awslambdaric`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from oracles import awslambdaric
from tests.fakes.contenders import ROOT, Contender
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

BUILD_DEADLINE_S = 120
ECHO = "def handler(event, context): return event"
PROVIDED = ["awslambdaric.py", "snapshot_restore_py.py"]
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


class Installed(NamedTuple):
    """The wheel, and an environment it alone is installed in."""

    wheel: Path
    environment: Path

    @property
    def python(self) -> str:
        return str(self.environment / "bin/python")

    @property
    def packages(self) -> Path:
        (packages,) = (self.environment / "lib").glob("python*/site-packages")
        return packages

    @property
    def contender(self) -> Contender:
        return Contender("wheel", lambda handler: [self.python, "-m", "snapboot", handler], dict)


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Installed:
    """Build the wheel and install it, without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    for tool in ("build", "hatchling"):
        if not importlib.util.find_spec(tool):
            pytest.skip(f"no {tool!r} here to build the wheel with: pip install 'snapboot[dev]'")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT])
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, symlinks=True)
    result = Installed(wheel, environment)
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install += ["--python", result.python, "install", "--no-deps", "--no-index", str(wheel)]
    run(install)
    return result


def run(command: list) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BUILD_DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_serves_the_handler_of_its_first_argument(function: Function, installed):
    function.write("pkg/app.py", ECHO)
    run = function.run(
        Event(b"1"),
        handler="pkg.app.handler",
        contender=installed.contender,
        environment={"_HANDLER": None},
    )
    assert run.result == 1
    assert run.stderr == ""


def test_it_serves_the_handler_of_the_variable(function: Function, installed):
    function.code(ECHO)
    contender = Contender("wheel", lambda handler: [installed.python, "-m", "snapboot"], dict)
    assert function.run(Event(b"1"), contender=contender).result == 1


def test_it_leaves_the_path_as_it_is_and_adds_what_the_managed_runtime_provides(
    function: Function, installed
):
    function.code("import sys\ndef handler(event, context): return sys.path")
    path = function.run(Event(), contender=installed.contender).result
    asked = run([installed.python, "-Ec", "import sys; print('\\n'.join(sys.path[1:]))"])
    provided = str(installed.packages / "snapboot/provided")
    assert path == [str(function.root), *asked.splitlines(), provided]


def test_it_reports_an_init_error(function: Function, installed):
    run = function.run(handler="absent.handler", contender=installed.contender)
    assert run.returncode == 1
    assert run.document["errorType"] == "Runtime.ImportModuleError"


def test_it_reports_an_uncaught_error_without_frames_of_ours(function: Function, installed):
    function.code("def handler(event, context): raise ValueError('no table')")
    run = function.run(Event(), contender=installed.contender)
    (entry,) = run.document["stackTrace"]
    assert entry.startswith(f'  File "{function.root}/app.py", line 1, in handler')


def test_without_a_runtime_api_it_says_how_to_get_the_local_host(installed):
    done = subprocess.run(
        [installed.python, "-m", "snapboot", "app.handler"],
        check=False, capture_output=True, text=True, timeout=BUILD_DEADLINE_S, env={},
    )  # fmt: skip
    assert done.returncode == 1
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr
    assert "pip install 'snapboot[devkit]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_right_where_orjson_is_not_installed(function: Function, installed):
    function.code("import dataclasses, inspect, json, uuid\n" + ECHO)
    body = b'"%s"' % (b"x" * 1_000_000)
    run = function.run(Event(body), Event(body), contender=installed.contender)
    assert [answer.body for answer in run.answers] == [body, body]


def test_asking_for_an_orjson_that_is_not_installed_is_an_init_error(function: Function, installed):
    function.code(ECHO)
    environment = {"SNAPBOOT_JSON": "orjson"}
    run = function.run(contender=installed.contender, environment=environment)
    assert run.returncode == 1
    assert "orjson" in run.document["errorMessage"]


def test_asking_for_a_urllib3_that_is_not_installed_ends_in_a_clear_line(
    function: Function, installed
):
    function.code(ECHO)
    environment = {"SNAPBOOT_TRANSPORT": "urllib3"}
    run = function.run(contender=installed.contender, environment=environment)
    assert run.returncode == 1
    assert "urllib3" in run.stderr or "urllib3" in run.document["errorMessage"]
    assert "Traceback" not in run.stderr


# --- SnapStart ----------------------------------------------------------------------------------

HOOKS = """
import snapboot
snapboot.before_snapshot(print, "before")

import snapshot_restore_py
snapshot_restore_py.register_after_restore(print, "after")

def handler(event, context):
    return snapshot_restore_py.__file__
"""


def test_snapshot_hooks_have_one_registry(function: Function, installed):
    function.code(HOOKS)
    run = function.run(Event(), contender=installed.contender, environment=SNAP_START)
    assert run.stdout == "before\nafter\n"


def test_the_hook_module_of_the_managed_runtime_is_there_by_itself(function: Function, installed):
    function.code(f"""
        from snapshot_restore_py import register_after_restore
        register_after_restore(print, "after")
        {ECHO}
    """)
    run = function.run(contender=installed.contender, environment=SNAP_START)
    assert run.stdout == "after\n"


def test_awss_own_package_is_the_registry_where_it_is_installed(function: Function, installed):
    theirs = awslambdaric.folder() / "snapshot_restore_py.py"
    copy = function.write("snapshot_restore_py.py", theirs.read_text())
    function.code(HOOKS)
    run = function.run(Event(), contender=installed.contender, environment=SNAP_START)
    assert run.stdout == "before\nafter\n"
    assert run.result == str(copy)


# --- in a function's folder, on AWS's managed runtime --------------------------------------------


@pytest.mark.parametrize("installer", ["pip", "uv pip"])
def test_installed_beside_a_function_it_is_an_executable_wrapper(
    function: Function, installed, tmp_path, installer
):
    function.code("def handler(event, context): return type(context).__module__")
    options = ["install", "--quiet", "--no-deps", "--no-index", "--target", function.root]
    run([sys.executable, "-m", *installer.split(), *options, installed.wheel])
    (tmp_path / "bootstrap.py").write_text("raise AssertionError('AWS's client was started')")
    python = Path(installed.python).with_name(f"python3.{sys.version_info.minor}")
    command = [function.root / "snapboot/exec", python, tmp_path / "bootstrap.py"]
    contender = Contender("wrapper", lambda handler: list(map(str, command)), dict)
    done = function.run(Event(), contender=contender)
    assert (done.result, done.stderr) == ("snapboot.context", "")


# --- what is in it ------------------------------------------------------------------------------


def test_the_wheel_has_two_packages_and_nothing_else_at_its_top(installed):
    with zipfile.ZipFile(installed.wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "snapboot", "snapboot_devkit",
    }  # fmt: skip
    assert "snapboot/py.typed" in names
    assert {f"snapboot/provided/{name}" for name in PROVIDED} <= set(names)
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_wheel_has_every_module_of_the_checkout(installed):
    with zipfile.ZipFile(installed.wheel) as archive:
        packed = set(archive.namelist())
    for source, package in (("runtime", "snapboot"), ("devkit", "snapboot_devkit")):
        for path in (ROOT / source / package).rglob("*.py"):
            assert path.relative_to(ROOT / source).as_posix() in packed
    for path in (ROOT / "bootstrap", *(ROOT / "runtime").rglob("*.py")):
        assert f"snapboot_devkit/provided/{path.relative_to(ROOT).as_posix()}" in packed


def test_the_version_of_the_package_is_that_of_the_metadata(installed):
    program = (
        "import importlib.metadata, snapboot;"
        "print(importlib.metadata.version('snapboot'), snapboot.__version__)"
    )
    first, second = run([installed.python, "-c", program]).split()
    assert first == second


# --- what it makes ------------------------------------------------------------------------------

# The command, with the packages that the devkit needs from where the tests have them. They come
# last: snapboot itself is the wheel's.
COMMAND = """
import sys
sys.path += {packages!r}
from snapboot_devkit.cli import main
from snapboot_devkit.package.contents import runtime
assert str(runtime.find().bootstrap) == {bootstrap!r}, runtime.find()
main()
"""


@pytest.mark.slow
def test_it_packages_a_function_with_the_runtime_that_it_is(function: Function, installed):
    function.code(ECHO)
    bootstrap = installed.packages / "snapboot_devkit/provided/bootstrap"
    packages = [path for path in sys.path if path.endswith("-packages")]
    program = COMMAND.format(packages=packages, bootstrap=str(bootstrap))
    output = function.root.parent / "dist"
    done = subprocess.run(
        [
            installed.python, "-c", program, "package", function.root, "--handler", "app.handler",
            "--as", "layer", "--output", output, "--python", sys.base_prefix,
            "--allow-newer-glibc",
        ],
        check=False, capture_output=True, text=True, timeout=BUILD_DEADLINE_S,
    )  # fmt: skip
    if "cannot install what the runtime asks for" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(output / "layer.zip") as layer:
        names = set(layer.namelist())
        rest = layer.read("bootstrap").decode().partition("\n")[2]
    assert rest == (ROOT / "bootstrap").read_text().partition("\n")[2].replace(
        '"runtime"', '".snapboot/runtime"'
    )
    folder = ".snapboot/runtime"
    assert {f"{folder}/snapboot/__init__.py", f"{folder}/snapshot_restore_py.py"} <= names
    assert not [name for name in names if "/provided" in name]
