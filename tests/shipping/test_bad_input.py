"""What people give to `snapboot package`, `audit` and `invoke` by mistake, or to do harm.

Every time: exit code 2, one message that names the file and the remedy, and nothing left behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.shipping import packages

pytestmark = pytest.mark.slow

HANDLER = "def handler(event, context):\n    return event\n"
# $1: a size; $2: a folder, which becomes a disk of that size; then the command. What the command
# leaves there is printed.
ROOMLESS = """
mount -t tmpfs -o size="$1" none "$2"
place=$2 status=0
shift 2
"$@" || status=$?
find "$place" -mindepth 1
exit "$status"
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "app.py").write_text(HANDLER)
    return folder


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def attempt(tmp_path, source, scratch):
    """Return what packages the source, expects that to fail, and returns the message."""

    def attempt(*options, handler="app.handler", under=()):
        output = tmp_path / "dist"
        command = [
            *under,
            *(sys.executable, "-m", "snapboot_devkit", "package", str(source)),
            *("--handler", handler, "--as", "zip", "--output", str(output)),
            *(packages.INTERPRETER if "--python" not in options else ()),
            *options,
        ]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=packages.DEADLINE_S,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "snapboot_devkit" not in done.stderr
        assert [*output.glob("**/*")] == []
        assert list(scratch.iterdir()) == []
        return done.stderr

    return attempt


@pytest.fixture
def as_an_ordinary_user():
    """Return what takes root's power over others' files, and over its own, from a command."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not here to take root's powers away")
    without = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]


@pytest.fixture
def bomb(tmp_path):
    """Return a zip of 0.6 MB that unpacks to 600."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", HANDLER)
        with archive.open("zeros.bin", "w", force_zip64=True) as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
    return path


def test_a_source_without_the_handlers_module_names_those_it_has(attempt, source):
    (source / "billing").mkdir()
    (source / "billing" / "__init__.py").write_text("")
    message = attempt(handler="lambda_function.lambda_handler")
    assert "lambda_function" in message
    assert "app" in message
    assert "billing" in message


def test_a_module_without_the_handler_says_what_it_lacks(attempt):
    message = attempt(handler="app.main")
    assert "'main'" in message
    assert "app" in message


def test_a_handler_that_names_no_module_is_answered_with_the_form(attempt):
    assert "module.function" in attempt(handler="handler")


def test_a_source_that_is_not_there_is_named(attempt, source):
    shutil.rmtree(source)
    assert repr(str(source)) in attempt()


def test_a_handler_that_fails_while_it_is_imported_shows_its_own_words(attempt, source):
    (source / "app.py").write_text("import os\nTABLE = os.environ['TABLE']\n")
    message = attempt("--require-archive")
    assert "KeyError: 'TABLE'" in message
    assert "--env" in message


def test_a_file_that_cannot_be_read_is_named(attempt, source, as_an_ordinary_user):
    (source / "secret.pem").write_text("?")
    (source / "secret.pem").chmod(0)
    assert "secret.pem': Permission denied" in attempt(under=as_an_ordinary_user)


def test_a_folder_that_cannot_be_entered_is_named(attempt, source, as_an_ordinary_user):
    (source / "private").mkdir(mode=0)
    message = attempt(under=as_an_ordinary_user)
    assert str(source / "private") in message
    assert "Permission denied" in message


def test_a_wheel_of_another_platform_alone_is_reported_with_its_name(attempt, source, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "onlythere-1.0-py3-none-win_amd64.whl", "w") as wheel:
        wheel.writestr("onlythere.py", "")
        wheel.writestr("onlythere-1.0.dist-info/METADATA", "Name: onlythere\nVersion: 1.0\n")
        wheel.writestr("onlythere-1.0.dist-info/WHEEL", "Tag: py3-none-win_amd64\n")
        wheel.writestr("onlythere-1.0.dist-info/RECORD", "")
    (source / "requirements.txt").write_text(f"--no-index\n--find-links {wheels}\nonlythere\n")
    message = attempt()
    assert "onlythere" in message
    assert "manylinux_2_34" in message


def test_a_package_that_no_one_has_is_reported_with_its_name(attempt, source):
    (source / "requirements.txt").write_text("--no-index\nsnapboot-has-no-such-package\n")
    assert "snapboot-has-no-such-package" in attempt()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_out_of_the_source_is_refused_with_its_target(attempt, source, tmp_path, target):
    (tmp_path / "outside").write_text("?")
    (source / "data").symlink_to(target)
    message = attempt()
    assert "'data'" in message
    assert target in message


def test_links_that_lead_to_each_other_are_refused(attempt, source):
    (source / "chicken").symlink_to("egg")
    (source / "egg").symlink_to("chicken")
    assert "chicken'" in attempt()


def test_a_pipe_in_the_source_is_refused(attempt, source):
    os.mkfifo(source / "pipe")
    assert "'pipe'" in attempt()


def test_a_source_that_takes_too_much_is_refused_before_it_fills_the_disk(attempt, source):
    with (source / "model.bin").open("wb") as file:
        file.truncate(600 * 1024 * 1024)
    assert "model.bin" in attempt()


@pytest.mark.parametrize("option", ["--python=/nowhere", "--requirements=/nowhere"])
def test_a_path_that_is_not_there_is_named(attempt, option):
    assert "'/nowhere'" in attempt(*option.split("="))


def test_a_virtual_environment_is_no_interpreter_to_ship(attempt):
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests run in no virtual environment here")
    message = attempt("--python", sys.prefix)
    assert "virtual environment" in message
    assert sys.base_prefix in message


@pytest.mark.parametrize("size", ["3m", "60m"], ids=["at-once", "late"])
def test_a_full_disk_is_reported_and_nothing_is_left(attempt, source, tmp_path, size):
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root on Linux can mount a small disk")
    (source / "model.bin").write_bytes(os.urandom(50 * 1024 * 1024))
    output = tmp_path / "dist"
    output.mkdir()
    message = attempt(under=["unshare", "--mount", "sh", "-euc", ROOMLESS, "sh", size, str(output)])
    assert f"the disk of the output {str(output)!r} is full" in message


def test_a_bomb_is_not_unpacked_to_be_run(bomb, scratch):
    done = packages.snapboot(
        *("invoke", "app.handler", "--task-root", bomb), env={**os.environ, "TMPDIR": str(scratch)}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "'zeros.bin'" in done.stderr
    assert list(scratch.iterdir()) == []


def test_a_bomb_is_not_unpacked_to_be_audited(bomb, scratch):
    done = packages.snapboot("audit", bomb, env={**os.environ, "TMPDIR": str(scratch)})
    assert done.returncode in {1, 2}, done
    assert "Traceback" not in done.stderr
    assert "zeros.bin" in done.stdout + done.stderr
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no zip at all"])
def test_what_is_no_zip_is_reported_as_such(tmp_path, content):
    path = Path(tmp_path, "function.zip")
    path.write_bytes(content)
    done = packages.snapboot("audit", path)
    assert done.returncode == 2, done
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
