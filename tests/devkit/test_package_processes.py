"""Programs that the packager runs, and the folder that it removes while it does something else."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.process import run, started
from snapboot_devkit.package.scratch import PREFIX, Removal, scratch
from tests.devkit.packages import filled

DEADLINE_S = 60.0


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_program_says_and_how_it_ends_is_returned():
    done = run(python("import sys; print('out'); sys.exit('err')"), limit_s=DEADLINE_S)
    assert (done.status, done.output, done.errors) == (1, b"out\n", "err\n")


def test_a_program_that_a_signal_ends_has_its_number_for_a_status():
    kills = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(python(kills), limit_s=DEADLINE_S).status == -signal.SIGKILL


def test_a_program_runs_while_something_else_is_done(tmp_path):
    reads = "import sys; print(open(sys.argv[1]).read())"
    os.mkfifo(tmp_path / "words")
    command = python(reads, tmp_path / "words")
    with started(command, limit_s=DEADLINE_S) as finish:
        (tmp_path / "words").write_text("said meanwhile")
        assert finish().output == b"said meanwhile\n"


def test_a_program_that_takes_too_long_is_stopped_and_named(tmp_path):
    (tmp_path / "pid").touch()
    command = ["sh", "-c", f"echo $$ > {tmp_path / 'pid'}; exec sleep 1000"]
    with pytest.raises(PackageError, match=r"did not end within 2 s and was stopped"):
        run(command, limit_s=2)
    pid = (tmp_path / "pid").read_text()
    assert not pid or not is_alive(int(pid))  # it may have been stopped before it came to that


def test_a_program_does_not_outlive_the_block_that_started_it(tmp_path):
    says = "import os, sys, signal; open(sys.argv[1], 'w').write(f'{os.getpid()}'); signal.pause()"
    os.mkfifo(tmp_path / "pid")
    with (
        contextlib.suppress(KeyboardInterrupt),
        started(python(says, tmp_path / "pid"), limit_s=DEADLINE_S),
    ):
        pid = int((tmp_path / "pid").read_text())
        raise KeyboardInterrupt
    assert not is_alive(pid)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(PackageError, match=r"cannot start '/nowhere/strip'"):
        run(["/nowhere/strip"], limit_s=DEADLINE_S)


def test_a_scratch_folder_is_gone_when_its_removal_ends(tmp_path):
    with Removal() as removal:
        with scratch(tmp_path, removal) as folder:
            filled(folder, {f"a/{number}/b.py": "" for number in range(500)})
            (folder / "zip").write_text("made")
            (folder / "zip").rename(tmp_path / "zip")
        assert (tmp_path / "zip").read_text() == "made"
    assert [path.name for path in tmp_path.iterdir()] == ["zip"]


def test_a_scratch_folder_is_gone_where_there_is_no_program_to_remove_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with Removal() as removal, scratch(tmp_path, removal) as folder:
        filled(folder, {"a/b.py": ""})
    assert not [*tmp_path.iterdir()]


def test_a_scratch_folder_of_a_run_that_failed_is_gone_at_once(tmp_path):
    with Removal() as removal:
        with contextlib.suppress(PackageError), scratch(tmp_path / "new", removal) as folder:
            filled(folder, {"a/b.py": ""})
            raise PackageError("it does not fit")
        assert not (tmp_path / "new").exists()


def test_a_run_that_is_killed_while_it_removes_leaves_what_was_made_alone(tmp_path):
    code = """
import os, pathlib, signal, sys
from snapboot_devkit.package.scratch import Removal, scratch
output = pathlib.Path(sys.argv[1])
with Removal() as removal:
    with scratch(output, removal) as folder:
        for number in range(2000):
            (folder / str(number)).mkdir()
        (folder / "zip").write_text("made")
        (folder / "zip").rename(output / "zip")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(python(code, tmp_path), timeout=DEADLINE_S, check=False)
    assert done.returncode == -signal.SIGKILL
    for folder in tmp_path.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # the program that removes goes on
            os.utime(folder, (0, 0))
    with scratch(tmp_path):
        pass
    assert (tmp_path / "zip").read_text() == "made"


def test_a_file_that_is_larger_than_a_program_may_write_names_the_limit_and_leaves_nothing(
    tmp_path,
):
    code = """
import pathlib, resource, sys
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.scratch import scratch
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with scratch(pathlib.Path(sys.argv[1])) as folder:
        (folder / "large").write_bytes(bytes(2000))
except PackageError as exc:
    print(exc)
"""
    done = run(python(code, tmp_path / "new"), limit_s=DEADLINE_S)
    assert b"ulimit -f" in done.output, done.errors
    assert not (tmp_path / "new").exists()
