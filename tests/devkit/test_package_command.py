"""`snapboot package` as people type it, from a source folder to a function that answers."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.package import scratch
from snapboot_devkit.package.audit import audit
from snapboot_devkit.package.binary import modules
from snapboot_devkit.package.interpreters import managed
from tests.devkit.packages import DEADLINE_S, HELLO, filled, own_interpreter, snapboot, wheel

# A full disk is a small one.
SMALL_DISK_BYTES = 2 * 1024 * 1024
NOT_INSTALLABLE = "cannot install what the runtime asks for"


def packaged(source, output, *arguments, form="zip", **settings):
    """Package a function that needs no more than the interpreter at hand."""
    usual = ("--handler", "app.handler", "--as", form, "--output", output)
    return snapboot("package", source, *usual, "--arch", managed.native(), *arguments, **settings)


def made(done):
    """Return the report of a run that has made something; skip without the runtime's packages."""
    if NOT_INSTALLABLE in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def beside(source, output, *arguments, **settings):
    """Package without an interpreter, which is quick."""
    return packaged(source, output, "--no-interpreter", *arguments, **settings)


def refused(done, output, *, left=()):
    """Return what was said; nothing may be left but what was there before."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    # One of the handler's is indented.
    assert "\nTraceback" not in f"\n{done.stderr}"
    assert sorted(path.name for path in output.glob("*")) == sorted(left)
    return done.stderr


@pytest.fixture(autouse=True)
def _lambda_has_such_a_machine():
    if managed.native() is None:
        pytest.skip("packages are made on Linux")


@pytest.fixture
def source(tmp_path):
    return filled(tmp_path / "source", {"app.py": HELLO})


@pytest.fixture
def output(tmp_path):
    return tmp_path / "dist"


# --- with an interpreter ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A function with a module and data of its own, as a zip with the interpreter inside."""
    prefix = own_interpreter().program
    place = tmp_path_factory.mktemp("whole")
    files = {
        "app.py": "import fruit\n" + HELLO.replace("event}", "event, 'core': fruit.core()}"),
        "fruit/__init__.py": "from pathlib import Path\n\n\ndef core():\n"
        "    return Path(__file__).with_name('core.txt').read_text()\n",
        "fruit/core.txt": "seeds",
    }
    source = filled(place / "source", files)
    arguments = ("--python", prefix, "--allow-newer-glibc", "--json")
    report = made(packaged(source, place / "dist", *arguments))
    return source, place / "dist/function.zip", report, arguments


@pytest.mark.slow
def test_a_zip_holds_all_that_provided_al2023_lacks(whole):
    _, archive, report, _ = whole
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        first = opened.read("bootstrap").splitlines()[0].decode()
        mode = opened.getinfo("bootstrap").external_attr >> 16
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    program = f".snapboot/python/bin/{version}"
    assert first == f"#!/var/task/{program} -SsP"
    assert mode == stat.S_IFREG | 0o755
    assert {program, "app.py", "fruit/core.txt", "snapboot.modules"} <= set(names)
    top = {name.split("/")[2] for name in names if name.startswith(".snapboot/runtime/")}
    assert {"snapboot", "orjson", "urllib3", "awslambdaric.py", "snapshot_restore_py.py"} <= top
    assert report["sizeBytes"] < report["limitBytes"]
    assert report["archiveModules"] > 2
    assert report["findings"] == []


@pytest.mark.slow
def test_every_module_in_it_has_bytecode(whole):
    _, archive, _, _ = whole
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
    tag = sys.implementation.cache_tag
    sources = [Path(name) for name in names if name.endswith(".py")]
    bare = [
        str(path)
        for path in sources
        if f"{path.parent}/__pycache__/{path.stem}.{tag}.pyc".removeprefix("./") not in names
    ]
    # A few files of the standard library are for other versions, or broken on purpose.
    assert len(bare) < 5, bare


@pytest.mark.slow
def test_its_archive_holds_what_the_handler_imports(whole):
    _, archive, report, _ = whole
    with zipfile.ZipFile(archive) as opened:
        sealed = modules.read(opened.read("snapboot.modules"))
    names = [module.name for module in sealed.modules]
    assert {"app", "fruit", "pathlib"} <= set(names)
    assert len(names) == report["archiveModules"]
    assert sealed.hexversion == sys.hexversion


@pytest.mark.slow
def test_the_same_function_is_the_same_bytes_wherever_and_whenever_it_is_packaged(whole, tmp_path):
    source, archive, _, arguments = whole
    copy = shutil.copytree(source, tmp_path / "elsewhere/copy")
    for path in (*copy.rglob("*"), copy):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    variables = os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"}
    before = os.umask(0o077)
    try:
        made(packaged(copy, tmp_path / "out", *arguments, env=variables))
    finally:
        os.umask(before)
    assert (tmp_path / "out/function.zip").read_bytes() == archive.read_bytes()


@pytest.mark.slow
def test_it_runs_by_itself_where_lambda_would_put_it(whole):
    _, archive, _, _ = whole
    place = Path("/var/task")
    if os.geteuid() != 0 or not place.is_dir():
        pytest.skip("it takes root and a folder /var/task to mount on")
    done = snapboot(
        "invoke", "app.handler", '{"a": 1}', "--task-root", archive, "--isolate",
        "--timeout", "60", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert reported["result"] == {"hello": {"a": 1}, "core": "seeds"}
    assert not any("WARNING" in line or "runs on" in line for line in reported["logs"])


@pytest.mark.slow
def test_elsewhere_it_runs_on_the_interpreter_at_hand_which_is_reported(whole):
    _, archive, _, _ = whole
    done = snapboot("invoke", "app.handler", '{"a": 1}', "--task-root", archive, "--timeout", "60")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"hello": {"a": 1}, "core": "seeds"}
    (reported,) = [line for line in done.stderr.splitlines() if "package's own interpreter" in line]
    assert f"the function runs on {sys.executable!r}" in reported
    assert reported.endswith("needs '/var/task', which it gets by --isolate")


@pytest.mark.slow
def test_its_release_is_read_from_its_interpreter(whole):
    _, archive, _, _ = whole
    codes = [one.code for one in audit(archive, handler="app.handler").findings]
    assert "archive-version" not in codes
    assert "archive-refused" not in codes


@pytest.mark.slow
def test_a_layer_makes_any_function_a_python_function(source, output):
    prefix = own_interpreter().program
    done = packaged(
        source, output, "--python", prefix, "--allow-newer-glibc", "--json", form="layer"
    )
    report = made(done)
    assert [Path(file["path"]).name for file in report["files"]] == ["function.zip", "layer.zip"]
    with zipfile.ZipFile(output / "layer.zip") as opened:
        first = opened.read("bootstrap").splitlines()[0].decode()
        assert not [name for name in opened.namelist() if "app" in name.split("/")[0]]
    assert first.startswith("#!/opt/.snapboot/python/bin/python3.")
    with zipfile.ZipFile(output / "function.zip") as opened:
        tag = sys.implementation.cache_tag
        assert opened.namelist() == [
            "__pycache__/", f"__pycache__/app.{tag}.pyc", "app.py", "snapboot.modules"
        ]  # fmt: skip
    if os.geteuid() != 0 or not all(Path(place).is_dir() for place in ("/var/task", "/opt")):
        pytest.skip("it takes root and folders /var/task and /opt to mount on")
    code, layer = output / "function.zip", output / "layer.zip"
    for command in ((), ("--bootstrap", "/opt/bootstrap")):
        done = snapboot(
            "invoke", "app.handler", "--task-root", code, "--layer", layer, "--isolate",
            "--timeout", "60", *command,
        )  # fmt: skip
        assert json.loads(done.stdout) == {"hello": {}}, done.stderr
        assert "package's own interpreter" not in done.stderr


# --- without one --------------------------------------------------------------------------------


STAGE = re.compile(r" *\d+\.\d s  ")


def warnings(errors):
    """Return the lines on standard error that are no stage's; of 3.15, for which there is no
    wheel of orjson yet, without the line that says so."""
    return [one for one in errors.splitlines() if not STAGE.match(one) and "orjson" not in one]


def test_what_the_packager_has_reported_is_not_reported_again_by_the_audit(source, output):
    other = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    other[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    other[32:40] = other[40:48] = bytes(8)  # no tables
    other[56:64] = bytes(8)
    filled(source, {"tools/riscv": bytes(other), ".env": "PASSWORD=1"})
    (source / "tools/riscv").chmod(0o755)
    done = beside(source, output)
    if NOT_INSTALLABLE in done.stderr:
        pytest.skip(done.stderr.strip())
    private, machine = warnings(done.stderr)
    assert private.startswith("snapboot: warning: .env may hold secrets")
    assert machine.startswith("snapboot: warning: tools/riscv: it is built for EM_RISCV")


def test_the_output_for_people_says_what_was_made_and_what_to_do_next(source, output):
    done = beside(source, output)
    if NOT_INSTALLABLE in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, warnings(done.stderr)) == (0, [])
    first, *_, last = done.stdout.splitlines()
    assert first.startswith(f"{output / 'function.zip'}  ")
    assert "aws lambda create-function" in last


def test_dependencies_are_installed_and_sealed(source, output, tmp_path):
    wheels = wheel(tmp_path / "wheels", "fruit", files={"fruit.py": "NAME = 'apple'\n"})
    filled(source, {"requirements.txt": "fruit\n", "app.py": f"import fruit\n{HELLO}"})
    made(beside(source, output, "--json", env=os.environ | {"UV_FIND_LINKS": str(wheels)}))
    with zipfile.ZipFile(output / "function.zip") as opened:
        assert "fruit.py" in opened.namelist()
        sealed = modules.read(opened.read("snapboot.modules"))
    assert "fruit" in [module.name for module in sealed.modules]


def test_everything_works_where_there_is_no_orjson(source, output, tmp_path):
    blocked = filled(tmp_path / "blocked", {"orjson.py": "raise ImportError('no wheel of it')\n"})
    environ = {**os.environ, "PYTHONPATH": str(blocked)}
    command = [sys.executable, "-c", "import snapboot; snapboot.Context"]
    assert subprocess.run(command, env=environ, check=False).returncode == 0
    done = snapboot("invoke", "app.handler", '{"a": "\u00e9"}', "--task-root", source, env=environ)
    assert json.loads(done.stdout) == {"hello": {"a": "é"}}, done.stderr


def test_variables_reach_the_handler_while_it_is_imported_and_are_not_shipped(source, output):
    filled(source, {"app.py": f"import os\nTABLE = os.environ['TABLE']\n{HELLO}"})
    reported = refused(beside(source, output, "--require-archive"), output)
    if NOT_INSTALLABLE in reported:
        pytest.skip(reported)
    assert "KeyError: 'TABLE'" in reported
    assert "--env" in reported
    assert 'File "/var/task/app.py", line 2' in reported
    made(beside(source, output, "--env", "TABLE=not-for-everybody", "--json"))
    assert b"not-for-everybody" not in (output / "function.zip").read_bytes()


@pytest.mark.parametrize("arguments", [(), ("--strip",)], ids=["plain", "stripped"])
def test_what_the_import_changes_in_its_folder_is_named_and_packaged_as_it_is_then(
    source, output, arguments
):
    changing = """
import os
os.unlink("removed.txt")
open("made.txt", "w").write("made")
open("written.txt", "w").write("B" * 1000)
"""
    filled(source, {"removed.txt": "A", "written.txt": "A" * 1000, "app.py": changing + HELLO})
    report = made(beside(source, output, "--json", *arguments))
    (warning,) = [text for text in report["warnings"] if "read-only on Lambda" in text]
    assert "made.txt, removed.txt, written.txt;" in warning
    with zipfile.ZipFile(output / "function.zip") as opened:
        assert "snapboot.modules" in opened.namelist()
        assert opened.read("written.txt") == b"B" * 1000
        assert opened.read("made.txt") == b"made"
        assert "removed.txt" not in opened.namelist()


def test_without_an_archive_the_handler_is_not_imported(source, output):
    filled(source, {"app.py": f"raise SystemExit('not now')\n{HELLO}"})
    report = made(beside(source, output, "--no-archive", "--json"))
    assert report["archiveModules"] is None


def test_a_late_import_is_sealed_when_it_is_named(source, output):
    filled(source, {"late/__init__.py": "", "late/deep.py": ""})
    made(beside(source, output, "--include", "late.*", "--json"))
    with zipfile.ZipFile(output / "function.zip") as opened:
        sealed = modules.read(opened.read("snapboot.modules"))
    assert {"late", "late.deep"} <= {module.name for module in sealed.modules}


@pytest.mark.slow
def test_a_function_for_another_architecture_is_sealed_by_this_ones_interpreter(source, output):
    other = {"x86_64": "arm64", "arm64": "x86_64"}[managed.native()]
    filled(source, {"app.py": f"import ctypes\n{HELLO}"})
    report = made(beside(source, output, "--arch", other, "--json"))
    with zipfile.ZipFile(output / "function.zip") as opened:
        sealed = modules.read(opened.read("snapboot.modules"))
    compiled = [module for module in sealed.modules if module.is_extension]
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[other]
    assert report["architecture"] == other
    assert all(module.tail.endswith(f"-{machine}-linux-gnu.so") for module in compiled)
    assert "app" in {module.name for module in sealed.modules}


def test_a_package_that_only_the_interpreter_here_has_is_missing(source, output):
    if not Path(sysconfig.get_path("purelib"), "pip").is_dir():
        pytest.skip("this interpreter has no package of its own")
    filled(source, {"app.py": f"import pip\n{HELLO}"})
    reported = refused(beside(source, output, "--require-archive"), output)
    if NOT_INSTALLABLE in reported:
        pytest.skip(reported)
    assert "No module named 'pip'" in reported
    assert "--requirements" in reported


def test_a_broken_module_of_the_users_is_reported(source, output):
    filled(source, {"broken.py": "def f(:\n"})
    report = made(beside(source, output, "--json"))
    assert any(text.startswith("broken.py cannot be compiled") for text in report["warnings"])


def test_an_image_is_a_folder_to_build(source, output):
    (source / "app.py").chmod(0o600)
    report = made(packaged(source, output, "--python", "3.13", "--json", form="image"))
    assert report["files"][0]["path"] == str(output / "image")
    assert (output / "image/task/app.py").read_text() == HELLO
    assert sorted(path.name for path in (output / "image").iterdir()) == ["Dockerfile", "task"]


def test_a_second_run_replaces_the_first_ones_folder(source, output):
    made(packaged(source, output, "--json", form="image"))
    (source / "app.py").rename(source / "other.py")
    filled(source, {"app.py": "def handler(event, context): return 2\n"})
    made(packaged(source, output, "--json", form="image"))
    assert sorted(path.name for path in (output / "image/task").iterdir()) == ["app.py", "other.py"]
    assert [path.name for path in output.iterdir()] == ["image"]


# --- what cannot be packaged --------------------------------------------------------------------


def test_a_source_without_the_handler_says_what_it_has(source, output):
    done = snapboot(
        "package", source, "--handler", "apps.handler", "--as", "image", "--output", output
    )
    reported = refused(done, output)
    assert "cannot find the module 'apps' of the handler 'apps.handler'" in reported
    assert "has: app" in reported


def test_a_handler_that_its_module_has_not_is_reported(source, output):
    done = snapboot(
        "package", source, "--handler", "app.main", "--as", "zip", "--output", output,
        "--no-interpreter", "--arch", managed.native(),
    )  # fmt: skip
    reported = refused(done, output)
    if NOT_INSTALLABLE in reported:
        pytest.skip(reported)
    assert "'main'" in reported


def test_a_wheel_that_cannot_be_had_leaves_nothing(source, output, tmp_path):
    wheels = wheel(tmp_path / "wheels", "fruit", tag="cp39-cp39-win_amd64")
    filled(source, {"requirements.txt": "fruit\n"})
    variables = os.environ | {"UV_FIND_LINKS": str(wheels), "UV_OFFLINE": "1"}
    done = packaged(source, output, env=variables, form="image")
    reported = refused(done, output)
    assert "cannot install what 'requirements.txt' asks for" in reported
    assert "fruit" in reported


def test_a_link_out_of_the_source_leaves_nothing(source, output):
    (source / "passwd").symlink_to("/etc/passwd")
    reported = refused(packaged(source, output, form="image"), output)
    assert "cannot take 'passwd'" in reported
    assert "'/etc/passwd'" in reported


def test_an_interpreter_that_uv_cannot_get_leaves_nothing(source, output, tmp_path):
    variables = os.environ | {"UV_OFFLINE": "1", "UV_PYTHON_INSTALL_DIR": str(tmp_path / "python")}
    reported = refused(packaged(source, output, "--python", "3.14", env=variables), output)
    assert "cannot get an interpreter for Python 3.14" in reported
    assert "--python FOLDER" in reported


def test_what_was_there_before_stays_when_a_run_fails(source, output):
    made(packaged(source, output, "--json", form="image"))
    (source / "passwd").symlink_to("/etc/passwd")
    refused(packaged(source, output, form="image"), output, left=["image"])
    assert (output / "image/task/app.py").read_text() == HELLO


def test_an_output_that_cannot_be_made_is_named(source, tmp_path):
    filled(tmp_path, {"file": ""})
    done = packaged(source, tmp_path / "file/dist", form="image")
    assert done.returncode == 2
    assert "cannot make the output folder" in done.stderr


def test_an_output_that_is_a_file_is_named_and_stays(source, tmp_path):
    filled(tmp_path, {"file": "mine"})
    done = beside(source, tmp_path / "file")
    assert done.returncode == 2
    assert f"the output {str(tmp_path / 'file')!r} is not a folder" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_the_place_of_the_zip_is_named_before_anything_is_made(source, output):
    filled(output, {"function.zip/mine": ""})
    reported = refused(beside(source, output), output, left=["function.zip"])
    assert f"{str(output / 'function.zip')!r} is a folder, where function.zip will be" in reported
    assert "compiling" not in reported


@pytest.fixture
def obedient():
    """Return what makes a program one that modes hold for, as they do not for root."""
    if os.geteuid():
        return []
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    if (
        shutil.which(command[0]) is None
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("no program can be started here that modes hold for")
    return command


@pytest.mark.parametrize(
    ("mode", "inner"), [(0o555, ""), (0o555, "new"), (0o000, ""), (0o000, "new/er")]
)
def test_an_output_that_may_not_be_written_to_is_named_and_keeps_what_it_has(
    source, output, obedient, mode, inner
):
    filled(output, {"function.zip": "old"})
    output.chmod(mode)
    try:
        done = beside(source, output / inner, within=obedient)
    finally:
        output.chmod(0o755)
    reported = refused(done, output, left=["function.zip"])
    words = f"cannot {'make' if inner else 'write to'} the output folder {str(output / inner)!r}"
    assert f"{words}: Permission denied; choose another --output" in reported
    assert (output / "function.zip").read_text() == "old"


@pytest.fixture
def small_disk():
    """A disk of its own, a small one."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
    except OSError as exc:
        pytest.skip(f"no disk can be mounted: {exc}")
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no disk can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=DEADLINE_S)
    folder.rmdir()


@pytest.mark.parametrize("size", [SMALL_DISK_BYTES, SMALL_DISK_BYTES // 4], ids=["code", "wheels"])
def test_a_full_disk_is_reported_and_nothing_is_left(source, small_disk, tmp_path, size):
    filled(source, {"model.bin": os.urandom(size)})
    wheels = wheel(tmp_path / "wheels", "fruit", files={"fruit.bin": os.urandom(SMALL_DISK_BYTES)})
    variables = os.environ | {"UV_FIND_LINKS": str(wheels), "UV_OFFLINE": "1"}
    if size < SMALL_DISK_BYTES:
        filled(source, {"requirements.txt": "fruit\n"})
    done = packaged(source, small_disk, form="image", env=variables)
    assert f"the disk of the output {str(small_disk)!r} is full" in refused(done, small_disk)


def test_a_full_disk_keeps_the_old_zip(source, small_disk):
    filled(source, {"model.bin": os.urandom(SMALL_DISK_BYTES)})
    filled(small_disk, {"function.zip": "old"})
    reported = refused(beside(source, small_disk), small_disk, left=["function.zip"])
    assert f"the disk of the output {str(small_disk)!r} is full" in reported
    assert (small_disk / "function.zip").read_text() == "old"


def test_a_read_only_disk_is_named(source, small_disk):
    filled(small_disk, {"function.zip": "old"})
    command = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(command, check=True, timeout=DEADLINE_S)
    reported = refused(beside(source, small_disk), small_disk, left=["function.zip"])
    assert "cannot write to the output folder" in reported
    assert "Read-only file system; choose another --output" in reported


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_neither_files_nor_processes(source, output, tmp_path, number):
    """The handler says that it is being imported, and takes for ever."""
    reported = tmp_path / "importing"
    os.mkfifo(reported)
    filled(
        source,
        {"app.py": f"import os, time\nopen({str(reported)!r}, 'w').write(str(os.getpid()))\n"
         "time.sleep(600)\n"},
    )  # fmt: skip
    command = [
        sys.executable, "-m", "snapboot_devkit", "package", str(source), "--handler", "app.handler",
        "--as", "zip", "--output", str(output), "--no-interpreter", "--arch", managed.native(),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            pid = _read(reported, process)
            process.send_signal(number)
            assert process.wait(DEADLINE_S) == 130, process.stderr.read()
        finally:
            process.kill()
    assert not output.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def _read(fifo, process):
    """Return what the handler says; skip when it does not come to that."""
    readable = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.set_blocking(readable, True)
        watched = os.fdopen(readable, closefd=False)
        while process.poll() is None:
            if text := watched.read():
                return text
    finally:
        os.close(readable)
    pytest.skip(f"the package was not made: {process.stderr.read()}")


BLOCKS = """
import os
with open(os.environ["READY"], "w") as ready:
    ready.write(str(os.getpid()))
open(os.environ["GATE"]).read()
def handler(event, context):
    return 1
"""


@pytest.mark.slow
def test_what_a_killed_run_has_left_is_removed_by_the_next_and_a_living_one_keeps_its_own(
    source, output, tmp_path
):
    filled(source, {"app.py": BLOCKS})
    gate, ready = tmp_path / "gate", tmp_path / "ready"
    os.mkfifo(gate)
    os.mkfifo(ready)
    variables = ("--env", f"READY={ready}", "--env", f"GATE={gate}", "--no-cache")
    command = [sys.executable, "-m", "snapboot_devkit", "package", source, "--handler", "app.handler",
               "--as", "zip", "--no-interpreter", "--output", output, "--arch", managed.native()]  # fmt: skip

    def left():
        return [path for path in output.glob(f"{scratch.PREFIX}*") if path.is_dir()]

    def age():
        for path in left():
            os.utime(path, (1, 1))

    def begun():
        process = subprocess.Popen([*command, *variables], stderr=subprocess.DEVNULL)
        return process, int(ready.read_text())  # once the handler is being imported

    killed, importing = begun()
    (abandoned,) = left()
    killed.kill()
    killed.wait()
    os.kill(importing, signal.SIGKILL)
    age()
    living, _ = begun()
    try:
        (own,) = left()
        assert own != abandoned
        age()
        made(beside(source, output, "--json", "--no-archive"))
        assert left() == [own]
        with gate.open("w"):
            pass
        assert living.wait(DEADLINE_S) == 0
    finally:
        living.kill()
        living.wait()
    assert [path.name for path in output.iterdir()] == ["function.zip"]
