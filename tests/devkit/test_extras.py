"""A devkit whose dependencies are not installed: it says which extra brings them."""

import json
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from snapboot_devkit import extras
from tests.devkit.packages import HELLO, filled
from tests.fakes.contenders import ROOT

MODULES = {"python-dotenv": "dotenv", "pyelftools": "elftools"}
# `-S`: without site-packages, so that the devkit finds nothing but itself and the runtime.
COMMAND = (
    f"import sys; sys.path[:0] = {[str(ROOT / 'devkit'), str(ROOT / 'runtime')]!r};"
    "from snapboot_devkit.cli import main; main()"
)


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs a checkout")
def test_the_list_has_what_the_extras_install():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, modules in (("host", extras.HOST), ("devkit", extras.DEVKIT)):
        wanted = map(Requirement, declared["optional-dependencies"][extra])
        names = {one.name for one in wanted} - {"snapboot"}
        assert {MODULES.get(name, name) for name in names} == modules


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["invoke", "app.handler", "{}"], "h11", "host"),
        (["start", "app.handler", "--port", "0"], "h11", "host"),
        (["profile", "app.handler"], "h11", "host"),
        (["audit", "."], "elftools", "devkit"),
        (
            ["package", ".", "--handler", "app.handler", "--as", "zip", "--output", "out"],
            "uv",
            "devkit",
        ),
    ],
)
def test_a_command_without_its_dependencies_names_the_extra(arguments, module, extra, tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context): return event\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", COMMAND, *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    remedy = f"this needs {module!r}, which is not installed: pip install 'snapboot[{extra}]'"
    assert (done.returncode, done.stderr) == (2, f"snapboot: {remedy}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["events"]])
def test_what_needs_no_dependency_works_without(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", COMMAND, *arguments],
        cwd=tmp_path, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


def test_a_module_that_is_not_of_ours_is_no_matter_of_the_extras():
    assert extras.remedy(ModuleNotFoundError(name="pandas.core")) is None
    assert extras.remedy(ModuleNotFoundError(name="h11._events")) is not None


@pytest.mark.parametrize(
    "words",
    [
        ["invoke", "app.handler", '{"fruit": "äpple"}'],
        ["audit", "."],
        ["package", ".", "--handler", "app.handler", "--as", "zip", "--no-interpreter",
         "--no-archive", "--output", "out"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_devkit_works_without_orjson(words, tmp_path):
    """It has no wheel for some releases, and none for builds without the GIL."""
    filled(tmp_path, {"task/app.py": HELLO, "absent/orjson.py": "raise ImportError('no wheel')"})
    loaded = "import snapboot, sys; assert 'orjson' not in sys.modules;"
    refused = f"sys.path.insert(0, {str(tmp_path / 'absent')!r});"
    program = f"{loaded} {refused} from snapboot_devkit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path / "task", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if words[0] == "invoke":
        assert json.loads(done.stdout) == {"hello": {"fruit": "äpple"}}
