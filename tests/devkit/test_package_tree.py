"""A function's own code on its way into a package: what is left out, and what is refused."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from snapboot_devkit.package.contents import tree
from snapboot_devkit.package.errors import PackageError
from tests.devkit.packages import HELLO, filled

MAX_BYTES = 1024 * 1024


def copied(source, target, *, spare=Path("/nowhere"), bootstrap=True, max_bytes=MAX_BYTES):
    target.mkdir(exist_ok=True)
    return tree.copy(source, target, max_bytes=max_bytes, spare=spare, bootstrap=bootstrap)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def refusal(source, target, **settings):
    with pytest.raises(PackageError) as raised:
        copied(source, target, **settings)
    return str(raised.value)


@pytest.fixture
def source(tmp_path):
    return filled(tmp_path / "source", {"app.py": HELLO})


@pytest.fixture
def task(tmp_path):
    return tmp_path / "task"


def test_settings_of_a_developer_are_left_out_and_reported(source, task):
    private = [".env", ".env.production", ".envrc", "part/.env", ".envs/local/database"]
    filled(source, {**dict.fromkeys(private, "PASSWORD=1"), "environ.py": "", "part/env.py": ""})
    filled(source, {".env3/pyvenv.cfg": "", ".env3/bin/python": ""})
    reported = copied(source, task).private
    assert sorted(reported) == [".env", ".env.production", ".envrc", ".envs", "part/.env"]
    assert names(task) == ["app.py", "environ.py", "part", "part/env.py"]


def test_code_and_data_come_along_with_their_run_bits(source, task):
    filled(source, {"data/table.csv": "1,2", "bin/tool": "#!/bin/sh\n"})
    (source / "bin/tool").chmod(0o755)
    copied(source, task)
    assert names(task) == ["app.py", "bin", "bin/tool", "data", "data/table.csv"]
    assert os.access(task / "bin/tool", os.X_OK)
    assert not os.access(task / "data/table.csv", os.X_OK)


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".venv/bin/python",
        "environment/pyvenv.cfg",
        "package/__pycache__/module.cpython-313.pyc",
        "app.pyc",
        ".snapboot/python/bin/python3",
        "snapboot.modules",
        "web/node_modules/left-pad/index.js",
        ".pytest_cache/README.md",
        ".snapboot-package-k1ll3d/task/leftover.py",
        "dist/.snapboot-package-k1ll3d/function.zip",
    ],
)
def test_what_is_never_a_part_of_a_function_is_left_out(source, task, name):
    filled(source, {name: "x"})
    copied(source, task)
    assert [path for path in names(task) if path.endswith(Path(name).name)] == []
    assert "app.py" in names(task)


def test_a_module_without_a_source_stays(source, task):
    filled(source, {"closed.pyc": b"\0"})
    copied(source, task)
    assert "closed.pyc" in names(task)


def test_the_output_folder_inside_of_the_source_is_left_out(source, task):
    filled(source, {"dist/function.zip": "old", "dist.py": ""})
    copied(source, task, spare=source / "dist")
    assert names(task) == ["app.py", "dist.py"]


def test_a_file_that_takes_the_place_of_a_dependencys_is_reported(source, task):
    filled(source, {"six.py": "mine", "package/own.py": ""})
    filled(task, {"six.py": "theirs", "package/__init__.py": ""})
    assert copied(source, task).replaced == ["six.py"]
    assert (task / "six.py").read_text() == "mine"
    assert names(task / "package") == ["__init__.py", "own.py"]


def test_a_link_inside_of_the_source_stays_a_link(source, task):
    (source / "alias.py").symlink_to("app.py")
    copied(source, task)
    assert (task / "alias.py").readlink() == Path("app.py")


def test_a_link_out_of_the_source_is_refused_with_its_name_and_target(source, task, tmp_path):
    filled(tmp_path, {"secret": "x"})
    (source / "data").symlink_to("../secret")
    assert "cannot take 'data'" in refusal(source, task)
    assert "it links to '../secret', out of its folder" in refusal(source, task)


@pytest.mark.parametrize("goal", ["loop", "not-there"])
def test_a_link_that_leads_nowhere_or_to_itself_is_refused(source, task, goal):
    (source / "loop").symlink_to(goal)
    assert f"it links to {goal!r}, which leads nowhere" in refusal(source, task)


def test_a_linked_folder_that_contains_its_link_is_no_endless_tree(source, task):
    filled(source, {"package/__init__.py": ""})
    (source / "package/self").symlink_to(".")
    copied(source, task)
    assert names(task) == ["app.py", "package", "package/__init__.py", "package/self"]


def test_a_pipe_is_refused_and_not_waited_for(source, task):
    os.mkfifo(source / "queue")
    assert "cannot take 'queue'" in refusal(source, task)
    assert "a device, a pipe or a socket" in refusal(source, task)


def test_a_socket_is_refused(task):
    # The path of a socket may not be long.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as opened:
        opened.bind(f"{folder}/s")
        assert "a device, a pipe or a socket" in refusal(Path(folder), task)


def test_a_name_that_is_not_utf_8_is_refused(source, task):
    try:
        Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.py")).touch()
    except OSError as exc:
        pytest.skip(f"this file system takes no such name: {exc}")
    assert r"b'caf\xe9.py'" in refusal(source, task)
    assert "its name is not UTF-8" in refusal(source, task)


def test_a_file_that_cannot_be_read_is_named(task):
    user = 65_534 if os.geteuid() == 0 else os.geteuid()
    place = Path(tempfile.mkdtemp())
    try:
        place.chmod(0o755)
        source = filled(place / "source", {"app.py": HELLO, "secret.pem": "x"})
        target = place / "target"
        target.mkdir()
        target.chmod(0o777)
        (source / "secret.pem").chmod(0)
        before = os.geteuid()
        os.seteuid(user)
        try:
            reported = refusal(source, target)
        finally:
            os.seteuid(before)
    finally:
        shutil.rmtree(place)
    assert f"cannot read {str(source / 'secret.pem')!r}: Permission denied" in reported


def test_more_than_lambda_takes_is_refused_before_it_is_all_there(source, task):
    filled(source, {"model.bin": b"\0" * 2000})
    assert "cannot take 'model.bin'" in refusal(source, task, max_bytes=1000)


def test_a_bootstrap_of_the_users_is_in_the_way_of_ours(source, task):
    filled(source, {"bootstrap": "#!/bin/sh\n"})
    assert "is in the way: Lambda would start it" in refusal(source, task)
    copied(source, task, bootstrap=False)
    assert (task / "bootstrap").is_file()


def test_a_source_that_is_no_folder_is_refused(source, task):
    assert "is not a folder" in refusal(source / "app.py", task)


def test_an_output_that_is_the_source_is_refused(source, task):
    assert "is the source itself" in refusal(source, task, spare=source)
