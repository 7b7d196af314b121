"""What a function needs: where it is named, and the wheels of another platform laid out."""

import importlib.metadata
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest

from snapboot_devkit.package.checks.distributions import OWN_CODE
from snapboot_devkit.package.contents import dependencies, projects, runtime
from snapboot_devkit.package.contents import installed as installation
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.contents.installed import normalise
from snapboot_devkit.package.contents.resolver import reason
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.target import Architecture, Libc, Target
from tests.devkit.packages import HELLO, filled, parts, snapboot, wheel
from tests.fakes.contenders import ROOT

TARGET = Target((3, 13), Architecture.ARM64)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that is the only index there is."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def source(tmp_path):
    return filled(tmp_path / "source", {"app.py": HELLO})


def installed(folder, *names, target=TARGET):
    dependencies.install(Requirements(names, "the test"), target, folder)
    return folder


def test_a_function_may_need_nothing(source, tmp_path):
    assert projects.find(source, None, tmp_path) is None


def test_what_is_given_comes_before_what_the_source_has(source, tmp_path):
    filled(source, {"requirements.txt": "", "pyproject.toml": '[project]\ndependencies = ["a"]\n'})
    given = filled(tmp_path, {"given.txt": ""}) / "given.txt"
    assert projects.find(source, given, tmp_path).origin == "'given.txt'"
    assert projects.find(source, None, tmp_path).origin == "'requirements.txt'"
    (source / "requirements.txt").unlink()
    assert projects.find(source, None, tmp_path).origin == "'pyproject.toml'"


def test_a_project_file_of_tools_alone_needs_nothing(source, tmp_path):
    filled(source, {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"})
    assert projects.find(source, None, tmp_path) is None


def test_a_file_that_is_not_there_or_damaged_is_named(source, tmp_path):
    with pytest.raises(PackageError, match="there is no requirements file"):
        projects.find(source, tmp_path / "none.txt", tmp_path)
    filled(source, {"pyproject.toml": "[project"})
    with pytest.raises(PackageError, match=r"cannot read .*pyproject\.toml"):
        projects.find(source, None, tmp_path)


def test_a_lock_is_taken_as_it_is(source, tmp_path, wheels):
    wheel(wheels, "apple", "1.0")
    wheel(wheels, "apple", "2.0")
    project = '[project]\nname = "fruit"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["apple"]\n'
    lock = f"""
version = 1
requires-python = ">=3.11"

[[package]]
name = "apple"
version = "1.0"
source = {{ registry = "{wheels}" }}
wheels = [{{ path = "apple-1.0-py3-none-any.whl" }}]

[[package]]
name = "fruit"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "apple" }}]

[package.metadata]
requires-dist = [{{ name = "apple" }}]
"""
    filled(source, {"pyproject.toml": project, "uv.lock": lock})
    found = projects.find(source, None, tmp_path)
    assert found.origin == "'uv.lock'"
    dependencies.install(found, TARGET, tmp_path / "task")
    assert (tmp_path / "task/apple.py").read_text() == "VERSION = '1.0'\n"


def test_the_wheel_of_the_targets_platform_is_chosen(tmp_path, wheels):
    for tag in (
        "cp313-cp313-manylinux_2_28_aarch64",
        "cp313-cp313-manylinux_2_28_x86_64",
        "cp313-cp313-manylinux_2_39_aarch64",
        "cp312-cp312-manylinux_2_28_aarch64",
        "cp313-cp313-musllinux_1_2_aarch64",
    ):
        wheel(wheels, "fruit", tag=tag, files={"fruit.py": f"TAG = {tag!r}\n"})
    musl = Target((3, 13), Architecture.ARM64, Libc.MUSL)
    chosen = {
        "glibc": installed(tmp_path / "glibc", "fruit"),
        "musl": installed(tmp_path / "musl", "fruit", target=musl),
    }
    assert {name: (folder / "fruit.py").read_text() for name, folder in chosen.items()} == {
        "glibc": "TAG = 'cp313-cp313-manylinux_2_28_aarch64'\n",
        "musl": "TAG = 'cp313-cp313-musllinux_1_2_aarch64'\n",
    }


def test_a_wheel_that_cannot_be_had_says_which_why_and_what_to_do(tmp_path, wheels):
    wheel(wheels, "fruit", tag="cp313-cp313-manylinux_2_28_x86_64")
    with pytest.raises(PackageError) as raised:
        installed(tmp_path / "task", "fruit")
    message = str(raised.value)
    assert "for Python 3.13 on arm64" in message
    assert "fruit" in message
    assert "aarch64-manylinux_2_34" in message
    assert "UV_FIND_LINKS" in message
    assert "╰" not in message


def test_nothing_of_the_machine_is_left_in_what_was_installed(tmp_path, wheels):
    wheel(wheels, "fruit", scripts="fruit = fruit:main")
    folder = installed(tmp_path / "task", "fruit")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    info = "fruit-1.0.dist-info"
    assert names == [
        info,
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{info}/entry_points.txt",
        "fruit.py",
    ]
    recorded = (folder / info / "RECORD").read_text()
    assert [line.partition(",")[0] for line in recorded.splitlines()] == [
        *names[1:-1],
        "fruit.py",
    ]
    distribution = next(iter(importlib.metadata.distributions(path=[str(folder)])))
    assert all(file.locate().is_file() for file in distribution.files)


def test_the_words_of_the_installer_are_cut_to_the_point():
    words = (
        "Using CPython 3.11.7 interpreter at: /usr/bin/python\n"
        "  \u00d7 No solution found when resolving dependencies:\n"
        "  ╰─▶ Because scipy==1.2.0 has no usable wheels and you require scipy==1.2.0, we can "
        "conclude that your requirements are unsatisfiable.\n"
    )
    assert reason(words) == "scipy==1.2.0 has no usable wheels and you require scipy==1.2.0."
    assert reason("") == "uv gave no reason"


def test_a_long_reason_is_whole_but_for_its_middle_and_has_its_lines():
    lines = [f"         And because a=={n} depends on b, a=={n} it is." for n in range(300)]
    message = reason("\n".join(["error: x", *lines, "         So that is that."])).splitlines()
    assert message[0] == "x"
    assert message[1] == "And because a==0 depends on b, a==0 it is."
    assert "278 lines more" in message[4]
    assert message[-1] == "So that is that."
    assert len(reason("x" * 10_000)) == 2_000


def test_the_runtimes_own_packages_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(runtime.DEPENDENCIES) == project["dependencies"]


@pytest.mark.parametrize("content", ["project = 3\n", f"project = {'[' * 5000}{']' * 5000}\n"])
def test_a_project_that_is_not_a_table_is_reported(source, tmp_path, content):
    filled(source, {"pyproject.toml": content})
    with pytest.raises(PackageError, match=r"cannot read .*pyproject\.toml.*; correct it"):
        projects.find(source, None, tmp_path)


def test_a_record_of_many_megabytes_is_not_read_and_stays(tmp_path):
    record = filled(tmp_path, {"a-1.dist-info/RECORD": "a.py,,\n"}) / "a-1.dist-info/RECORD"
    with record.open("ab") as file:
        file.truncate(installation.MAX_RECORD_BYTES + 1)
    assert installation.recorded(record) is None
    normalise(tmp_path)
    assert record.stat().st_size == installation.MAX_RECORD_BYTES + 1
    record.unlink()
    record.mkdir()
    assert installation.recorded(record) is None


def test_nothing_is_written_into_what_the_installer_keeps(tmp_path, wheels):
    """What is unpacked is one file with that of uv's cache, where both are on one disk."""
    files = {
        "lib/__init__.py": "",
        "lib/tests/test_a.py": "x = 1\n",
        "lib/a.pyi": "",
        "lib/b.py": "",
    }
    wheel(wheels, "lib", files=files, scripts="lib = lib:main")
    source = {"app.py": HELLO, "requirements.txt": "lib\n", "lib/b.py": "mine = True\n"}
    filled(tmp_path / "function", source)
    arguments = (
        "--handler",
        "app.handler",
        "--as",
        "zip",
        "--no-interpreter",
        "--strip",
        "--no-archive",
    )
    made = []
    for name in ("one", "two"):
        done = snapboot("package", tmp_path / "function", *arguments, "--output", tmp_path / name)
        assert done.returncode == 0, done.stderr
        made.append((tmp_path / name / "function.zip").read_bytes())
        kept = {
            path.relative_to(tmp_path / "cache").parts[-1]: path.read_text()
            for path in (tmp_path / "cache").rglob("lib/*.py")
        }
        assert kept == {"__init__.py": "", "b.py": ""}
        records = [*(tmp_path / "cache").rglob("*.dist-info/RECORD")]
        assert records
        assert all("test_a.py" in record.read_text() for record in records)
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "content", [b"caf\xe9.py,,\n", b"fruit.py," + b"x" * 200_000 + b",\n"], ids=["latin", "long"]
)
def test_a_record_that_cannot_be_read_owns_nothing_and_stays(tmp_path, content):
    record = "fruit-1.0.dist-info/RECORD"
    filled(tmp_path, {record: content, "fruit.py": "VERSION = 1\n"})
    normalise(tmp_path)
    assert (tmp_path / record).read_bytes() == content
    assert parts(tmp_path) == {"fruit": len(content), OWN_CODE: 12}


def test_the_runtime_is_laid_out_without_orjson_where_there_is_no_wheel_of_it(tmp_path, wheels):
    wheel(wheels, "urllib3", "2.0")
    wheel(wheels, "orjson", "3.9", tag="cp313-cp313-manylinux_2_39_aarch64")
    (warning,) = runtime.lay_out(tmp_path / "runtime", TARGET)
    assert "without orjson" in warning
    assert "Python 3.13 on arm64" in warning
    assert (tmp_path / "runtime/snapboot/__init__.py").is_file()
    assert (tmp_path / "runtime/urllib3.py").is_file()
    assert not (tmp_path / "runtime/orjson.py").exists()


def test_for_a_build_without_the_gil_its_wheels_are_taken_and_the_runtime_is_without_orjson(
    tmp_path, wheels
):
    """Whether it is one, uv learns from the interpreter: this one says so of itself."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "without_gil.pth").write_text(  # Debian has a sitecustomize of its own
        "import sysconfig; sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1\n"
    )
    version = sys.version_info[:2]
    tag = "cp{}{}".format(*version)
    for abi in (tag, f"{tag}t"):
        machine = "manylinux_2_17_aarch64"
        wheel(wheels, "fig", tag=f"{tag}-{abi}-{machine}", files={"fig.py": f"ABI = {abi!r}"})
    wheel(wheels, "orjson", "3.9", tag=f"{tag}-{tag}-manylinux_2_17_aarch64")
    wheel(wheels, "urllib3", "2.0")
    usual = Target(version, Architecture.ARM64)
    other = replace(usual, free_threaded=environment / "bin/python")
    assert str(other) == "Python {}.{}t on arm64 (glibc)".format(*version)
    for target, abi in ((usual, tag), (other, f"{tag}t")):
        folder = installed(tmp_path / abi, "fig", target=target)
        assert (folder / "fig.py").read_text() == f"ABI = {abi!r}"
    assert runtime.lay_out(tmp_path / "with", usual) == []
    (warning,) = runtime.lay_out(tmp_path / "without", other)
    assert "without orjson" in warning
    assert f"no wheel for {other}" in warning


def test_with_a_wheel_of_it_there_is_nothing_to_say(tmp_path, wheels):
    wheel(wheels, "urllib3", "2.0")
    wheel(wheels, "orjson", "3.9")
    assert runtime.lay_out(tmp_path / "runtime", TARGET) == []
    assert (tmp_path / "runtime/orjson.py").is_file()


def test_without_what_the_runtime_does_need_nothing_is_made(tmp_path, wheels):
    with pytest.raises(PackageError, match="what the runtime asks for"):
        runtime.lay_out(tmp_path / "runtime", TARGET)
