"""What is kept from run to run: the same bytes as without it, in less time, and never anything old."""

import json
import os
import re
import sqlite3
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from snapboot_devkit.package import repeated
from snapboot_devkit.package import store as stores
from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.binary.limits import Steps
from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import managed
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.outputs import zipping
from snapboot_devkit.package.outputs.sealing import Worker
from snapboot_devkit.package.request import Made, Packaged, PackageRequest
from snapboot_devkit.package.store import Store, digest
from snapboot_devkit.package.target import Architecture, Libc, Target
from tests.devkit.packages import HELLO, filled, snapboot

KEY = digest(b"key")


def test_what_is_kept_is_found_by_the_next_one(tmp_path):
    with Store(tmp_path / "cache") as store:
        store.keep({KEY: b"content"})
    with Store(tmp_path / "cache") as store:
        assert store.find([KEY, digest(b"other")]) == {KEY: b"content"}


def test_another_version_finds_nothing_of_this_one(tmp_path, monkeypatch):
    with Store(tmp_path / "cache") as store:
        store.keep({KEY: b"content"})
        for name, other in (("__version__", "0.0.0"), ("_FORMAT", b"another")):
            with monkeypatch.context() as patched:
                patched.setattr(stores, name, other)
                assert store.find([KEY]) == {}
                store.keep({}, [KEY])
        assert store.find([KEY]) == {KEY: b"content"}


def test_tests_keep_nothing_in_the_home_of_who_runs_them():
    assert not stores.folder().is_relative_to(Path.home() / ".cache")


def test_a_key_distinguishes_its_parts():
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_what_is_damaged_is_not_found(tmp_path):
    with Store(tmp_path) as store:
        store.keep({KEY: b"content"})
    with sqlite3.connect(tmp_path / "package-3.db") as database:
        database.execute("UPDATE content SET content = ?", (b"c0ntent",))
    database.close()
    with Store(tmp_path) as store:
        assert store.find([KEY]) == {}


@pytest.mark.parametrize("spoil", ["file", "garbage", "none"])
def test_without_a_place_nothing_is_kept_and_nothing_fails(tmp_path, spoil):
    place = tmp_path / "cache"
    if spoil == "file":
        place.write_text("")
    elif spoil == "garbage":
        filled(place, {"package-3.db": "no database at all" * 1000})
    with Store(None if spoil == "none" else place) as store:
        store.keep({KEY: b"content"})
        assert store.find([KEY]) == {}


def test_the_oldest_go_when_there_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "MAX_BYTES", 20)
    keys = [digest(bytes([number])) for number in range(4)]
    with Store(tmp_path) as store:
        for number, key in enumerate(keys):
            monkeypatch.setattr(stores.time, "time", lambda number=number: 1000 + number)
            store.keep({key: b"8 bytes!"})
        assert set(store.find(keys)) == set(keys[2:])


def test_a_zip_is_the_same_bytes_from_what_was_kept(tmp_path):
    folder = filled(
        tmp_path / "folder",
        {"a.py": "x = 1\n" * 1000, "empty": "", "inner/b.bin": os.urandom(70_000), "again.py": "x = 1\n" * 1000},
    )  # fmt: skip
    (folder / "link").symlink_to("a.py")
    (folder / "inner/b.bin").chmod(0o755)
    zipping.write(folder, tmp_path / "plain.zip")
    with Store(tmp_path / "cache") as store:
        for name in ("first.zip", "second.zip"):
            zipping.write(folder, tmp_path / name, store)
            assert (tmp_path / name).read_bytes() == (tmp_path / "plain.zip").read_bytes()
        assert store.find([digest(b"other")]) == {}


def test_a_file_that_changes_while_it_is_compressed_is_kept_as_what_it_then_is(tmp_path):
    folder = filled(tmp_path / "folder", {"a.txt": "A" * 1000})

    class Late(Store):
        """The last moment before the content is read again."""

        def find(self, keys):
            found = super().find(keys)
            (folder / "a.txt").write_text("B" * 1000)
            return found

    with Late(tmp_path / "cache") as store:
        zipping.write(folder, tmp_path / "changed.zip", store)
    filled(folder, {"a.txt": "A" * 1000})
    with Store(tmp_path / "cache") as store:
        zipping.write(folder, tmp_path / "again.zip", store)
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert archive.read("a.txt") == b"A" * 1000


def test_bytecode_is_the_same_from_what_was_kept_and_new_for_a_new_source(tmp_path):
    worker = Worker(Path(sys.executable), sys.hexversion)
    seen = []
    with Store(tmp_path / "cache") as store:
        for turn, source in enumerate(("x = 1\n", "x = 1\n", "x = 2\n")):
            folder = filled(tmp_path / f"task{turn}", {"app.py": source, "broken.py": "def f(:"})
            assert set(worker.compile(folder, "/var/task", store)) == {"broken.py"}
            seen.append(
                (folder / f"__pycache__/app.{sys.implementation.cache_tag}.pyc").read_bytes()
            )
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]


def test_bytecode_that_a_wheel_has_stays_as_it_is_in_the_installers_cache(tmp_path):
    worker = Worker(Path(sys.executable), sys.hexversion)
    name = f"__pycache__/app.{sys.implementation.cache_tag}.pyc"
    original = tmp_path / "original.pyc"
    original.write_bytes(b"of the wheel")
    made = []
    with Store(tmp_path / "cache") as store:
        for turn in ("first", "again"):
            folder = filled(tmp_path / turn, {"app.py": "x = 1\n"})
            (folder / name).parent.mkdir()
            (folder / name).hardlink_to(original)
            assert worker.compile(folder, "/var/task", store) == {}
            made.append((folder / name).read_bytes())
    assert original.read_bytes() == b"of the wheel"
    assert made[0] == made[1] != b"of the wheel"


# --- a run that would make what is there ----------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Return what packages a function, and the zip's time of change: a kept one's stays."""
    if managed.native() is None:
        pytest.skip("packages are made on Linux")
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}

    def packaged(*options):
        done = snapboot(
            *("package", tmp_path / "source", "--as", "zip", "--no-interpreter", "--no-archive"),
            *("--output", tmp_path / "out", "--arch", managed.native(), "--json"),
            *("--handler", "app.handler", *options),
            env=environ,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), (tmp_path / "out/function.zip").stat().st_mtime_ns

    filled(tmp_path / "source", {"app.py": HELLO, "data.txt": "1"})
    return packaged


def test_what_an_elf_file_says_is_read_once_and_the_same_from_what_was_kept(tmp_path):
    content = Path(sys.executable).resolve().read_bytes()
    if content[:4] != elf.MAGIC:
        pytest.skip("this Python is no ELF file")

    def all_facts(facts, steps):
        return (
            facts.needs(content, "python", steps),
            facts.hexversion(content, "python", steps),
            facts.debug_bytes(content, "python", steps),
            facts.folders(content, "python"),
        )

    with Store(tmp_path) as store:
        first, steps = ElfFacts(store), Steps()
        read = all_facts(first, steps)
        assert steps.taken
        assert read[0] == elf.needs(Path(sys.executable))
        assert all_facts(first, Steps(0)) == read
        assert all_facts(ElfFacts(), Steps()) == read
        first.keep()
        assert all_facts(ElfFacts(store), Steps(0)) == read
        with pytest.raises(elf.ElfError, match="'other'"):
            ElfFacts(store).needs(content[:100], "other")


def test_without_anything_new_no_interpreter_is_started_to_compile(tmp_path):
    source = {
        "a.py": "x = 1\n",
        "broken.py": "def\n",
        "pkg/__init__.py": "",
        "pkg/same.py": "x = 1\n",
    }
    worker = Worker(Path(sys.executable), sys.hexversion)
    results, trees = [], []
    with Store(tmp_path / "cache") as store:
        for name, program in (("one", sys.executable), ("two", "/nothing/python")):
            folder = filled(tmp_path / name, source)
            results.append(
                replace(worker, program=Path(program)).compile(folder, "/var/task", store)
            )
            trees.append(
                {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.pyc")}
            )
        assert results[0] == results[1] == {"broken.py": "invalid syntax (line 1)"}
        assert trees[0] == trees[1]
        assert len(trees[0]) == 3
        with pytest.raises(PackageError, match="/nothing/python"):
            replace(worker, program=Path("/nothing/python")).compile(
                filled(tmp_path / "three", {"new.py": ""}), "/var/task", store
            )


def test_a_failure_that_may_pass_is_not_kept(tmp_path):
    worker = Worker(Path(sys.executable), sys.hexversion)
    source = {"deep.py": f"{'-' * 200_000}1"}  # the compiler runs out of memory or stack
    with Store(tmp_path / "cache") as store:
        failed = worker.compile(filled(tmp_path / "one", source), "/var/task", store)
        assert failed["deep.py"].startswith(("MemoryError", "RecursionError"))
        with pytest.raises(PackageError, match="/nothing/python"):  # it is tried again
            replace(worker, program=Path("/nothing/python")).compile(
                filled(tmp_path / "two", source), "/var/task", store
            )


def test_an_unchanged_project_is_not_made_again_and_reads_the_same(run):
    assert run() == run()


def test_a_package_is_the_same_bytes_from_a_cold_and_a_warm_store(run, tmp_path):
    run()
    cold = (tmp_path / "out/function.zip").read_bytes()
    (tmp_path / "out/function.zip").unlink()
    run()
    assert (tmp_path / "out/function.zip").read_bytes() == cold


@pytest.mark.parametrize(
    "change",
    ["source", "mode", "output", "option", "no-cache", "variable", "lost"],
)
def test_whatever_has_changed_is_made_again(run, tmp_path, change):
    first, at = run()
    options = {
        "option": ("--include", "json"),
        "no-cache": ("--no-cache",),
        "variable": ("--env", "A=1"),
    }
    if change == "source":
        (tmp_path / "source/data.txt").write_text("2")
    elif change == "mode":
        (tmp_path / "source/data.txt").chmod(0o755)
    elif change == "output":
        with (tmp_path / "out/function.zip").open("ab") as file:
            file.write(b"x")
    elif change == "lost":
        (tmp_path / "out/function.zip").unlink()
    second, later = run(*options.get(change, ()))
    assert later != at
    assert second["files"] == first["files"] or change == "source"


@pytest.mark.parametrize(
    ("name", "content", "local"),
    [
        ("requirements.txt", "boto3>=1.30\nsix\n", False),
        ("requirements.txt", "-r more.txt\n", True),
        ("requirements.txt", "./lib\n", True),
        ("requirements.txt", "six\nwheels/lib-1-py3-none-any.whl\n", True),
        ("requirements.txt", "lib.whl\n", True),
        ("requirements.txt", "lib @ ${LIB}\n", True),
        ("requirements.txt", "lib @ file:///somewhere\n", True),
        ("pyproject.toml", '[tool.uv.sources]\nlib = { path = "../lib" }\n', True),
        ("pyproject.toml", "[tool.uv.sources]\nlib = { workspace = true }\n", True),
        ("uv.lock", 'source = { editable = "." }\n', False),
        ("uv.lock", 'source = { editable = "lib" }\n', True),
        ("serverless.yml", "- ./lib\n", False),
    ],
)
def test_a_run_whose_requirements_are_elsewhere_is_made_each_time(tmp_path, name, content, local):
    source = filled(tmp_path / "source", {"app.py": HELLO, name: content})
    assert (repeated.key(request_for(source)) is None) == local


def request_for(source, **options):
    return PackageRequest(
        source=source,
        handler="app.handler",
        form=Form.ZIP,
        output=source.parent / "out",
        python="3.13",
        **options,
    )


def test_what_a_package_does_not_take_is_not_read(tmp_path):
    outside = filled(tmp_path / "outside", {"large": "1"})
    source = filled(tmp_path / "source", {"app.py": HELLO, "env/pyvenv.cfg": "", "env/a.py": "1"})
    (source / "link").symlink_to(outside)
    os.mkfifo(source / "pipe")
    first = repeated.key(request_for(source))
    filled(outside, {"large": "2"})
    filled(source, {"env/a.py": "2"})
    assert first == repeated.key(request_for(source)) is not None
    (source / "link").unlink()
    (source / "link").symlink_to("app.py")
    assert repeated.key(request_for(source)) != first


def test_of_a_layer_that_leads_elsewhere_nothing_is_known(tmp_path):
    source = filled(tmp_path / "source", {"app.py": HELLO})
    layer = filled(tmp_path / "layer", {"python/a.py": ""})
    request = request_for(source, layers=(layer,))
    (layer / "inside").symlink_to("python")
    assert repeated.key(request) is not None
    (layer / "outside").symlink_to(source)
    assert repeated.key(request) is None


def test_a_lost_file_of_an_output_folder_is_noticed(tmp_path):
    made = filled(tmp_path / "out/image", {"task/__pycache__/app.pyc": "1"})
    request = replace(request_for(tmp_path), output=tmp_path / "out")
    target = Target((3, 13), Architecture.X86_64, Libc.GLIBC)
    packaged = Packaged((Made(made, None, 1),), target, None, None, {}, 1, ())
    with Store(tmp_path / "cache") as store:
        repeated.save(store, KEY, packaged, [])
        assert repeated.load(store, KEY, request) == (packaged, [])
        (made / "task/__pycache__/app.pyc").unlink()
        assert repeated.load(store, KEY, request) is None


def test_one_without_a_home_folder_packages_without_a_cache(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert stores.folder() is None


def test_after_ten_minutes_an_index_may_have_something_newer(run, monkeypatch, tmp_path):
    _, at = run()
    with sqlite3.connect(tmp_path / "home/snapboot/package-3.db") as database:
        ((key, content),) = [
            row
            for row in database.execute("SELECT key, content FROM content")
            if row[1][:8] == b'{"time":'
        ]
        document = json.loads(content)
        document["time"] -= repeated.TRUSTED_S + 1
        content = json.dumps(document).encode()
        database.execute("UPDATE content SET content = ? WHERE key = ?", (content, key))
        database.execute("UPDATE entry SET digest = ? WHERE key = ?", (digest(content), key))
    database.close()
    _, later = run()
    assert later != at


def test_without_a_terminal_each_stage_is_a_line_on_standard_error(tmp_path):
    source = filled(tmp_path / "src", {"app.py": HELLO})
    words = ("package", source, "--handler", "app.handler", "--as", "zip", "--no-interpreter")
    done = snapboot(*words, "--output", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["form"] == "zip"
    stages = re.findall(r"(?m)^ *\d+\.\d s  (\w+)", done.stderr)
    begun = ["looking", "copying", "laying", "compiling", "importing", "writing", "auditing"]
    assert [stage for stage in stages if stage in begun and stage != "looking"] == begun[1:]
    again = snapboot(*words, "--output", tmp_path / "out")
    assert "s  nothing has changed\n" in again.stderr
