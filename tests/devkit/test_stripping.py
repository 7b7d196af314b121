"""`--strip`: what never runs goes, and what may run stays."""

import io
import shutil
import struct
import subprocess
import sys

import pytest
from elftools.elf.elffile import ELFFile

from snapboot_devkit.package import stripping
from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.in_target.archive import ArchiveModule, archive
from snapboot_devkit.package.interpreters import managed
from snapboot_devkit.package.stripping import Savings
from tests.devkit.audited import TAG, compile_all, distribution, filled
from tests.devkit.test_elf import EXTENSIONS

TEST = "def test_it(): ...\n"
has_extensions = pytest.mark.skipif(not EXTENSIONS, reason="no extension modules in files")
has_strip = pytest.mark.skipif(shutil.which("strip") is None, reason="there is no program strip")


def stripped(root, files):
    """Strip a folder with a distribution of these files; return what is left and what was saved."""
    filled(root, files | distribution("fruit", "1", *files))
    filled(root, {"app.py": "import fruit\n", "tests/test_app.py": TEST, "app.pyi": ""})
    savings = Savings()
    stripping.strip(root, managed.native(), savings)
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {path for path in left if "dist-info" not in path}, savings


OWN = {"app.py", "tests/test_app.py", "app.pyi"}


def test_tests_and_stubs_of_libraries_go_and_the_functions_own_stay(tmp_path):
    files = {
        "fruit/__init__.py": "",
        "fruit/__init__.pyi": "x" * 100,
        "fruit/tests/__init__.py": "",
        "fruit/tests/test_fruit.py": TEST,
        "fruit/tests/data/apple.bin": "x" * 10_000,
        "fruit/core/tests/test_core.py": TEST,
    }
    left, savings = stripped(tmp_path, files)
    assert left == {*OWN, "fruit/__init__.py"}
    assert savings.sizes == {stripping.TESTS: 10_000 + 2 * len(TEST), stripping.STUBS: 100}
    assert not (tmp_path / "fruit/tests").exists()
    assert list(savings.lines()) == [
        "tests of libraries: 9.8 KB in 4 files", "type stubs (.pyi): 0.1 KB in 1 file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "from fruit.tests import helper\n",
        "from .tests import helper\n",
        "from . import tests\n",
        "from . import (\n    core,\n    tests,\n)\n",
        "from fruit import core, tests\n",
        "import fruit.tests.test_fruit as checks\n",
        "def check():\n    from .tests.test_fruit import test_it\n",
        "DATA = files('fruit.tests')\n",
    ],
)
def test_tests_that_are_named_outside_of_tests_stay(tmp_path, source):
    files = {"fruit/__init__.py": source, "fruit/tests/test_fruit.py": TEST}
    left, savings = stripped(tmp_path, files)
    assert left == {*OWN, *files}
    assert savings.sizes == {}


def test_tests_that_the_function_names_stay(tmp_path):
    filled(tmp_path, {"part.py": "from fruit.tests.test_fruit import test_it\n"})
    left, _ = stripped(tmp_path, {"fruit/__init__.py": "", "fruit/tests/test_fruit.py": TEST})
    assert "fruit/tests/test_fruit.py" in left


def test_tests_that_only_tests_name_go(tmp_path):
    files = {
        "fruit/__init__.py": "",
        "fruit/tests/test_fruit.py": "from fruit.core.tests import test_core\n",
        "fruit/core/tests/test_core.py": "from fruit.tests import test_fruit\n",
    }
    left, _ = stripped(tmp_path, files)
    assert left == {*OWN, "fruit/__init__.py"}


@pytest.mark.parametrize(
    "files",
    [
        {"fruit/test/__init__.py": "", "fruit/test/client.py": ""},  # as django.test is
        {"fruit/testing/test_case.py": TEST},
        {"tests/test_fruit.py": TEST},
        {"fruit/test_utils.py": TEST},
    ],
)
def test_what_is_called_a_test_and_may_be_none_stays(tmp_path, files):
    left, savings = stripped(tmp_path, files)
    assert left == {*OWN, *files}
    assert savings.sizes == {}


@pytest.mark.parametrize(
    "source", ["__getattr__ = attach_stub(__name__, __file__)\n", "open(name + '.pyi')\n"]
)
def test_stubs_that_are_read_while_it_runs_stay(tmp_path, source):
    left, _ = stripped(tmp_path, {"fruit/__init__.py": source, "fruit/__init__.pyi": ""})
    assert "fruit/__init__.pyi" in left


def test_what_only_a_compiler_reads_goes_unless_the_package_knows_of_it(tmp_path):
    files = {
        "fruit/__init__.py": "", "fruit/include/fruit.h": "", "fruit/core.pyx": "",
        "berry/__init__.py": "PATH = 'berry.h'\n", "berry/berry.h": "",
    }  # fmt: skip
    left, savings = stripped(tmp_path, files)
    assert left == {*OWN, "fruit/__init__.py", "berry/__init__.py", "berry/berry.h"}
    assert savings.files == {stripping.HEADERS: 2}


def test_copies_of_a_library_under_its_other_names_become_links(tmp_path):
    names = ["libfruit.so", "libfruit.so.2", "libfruit.so.2.1"]
    files = {f"fruit/{name}": "same" * 100 for name in names}
    files |= {"fruit/libother.so": "same" * 100, "fruit/libfruit.so.3": "else" * 100}
    _, savings = stripped(tmp_path, files)
    links = {path.name: str(path.readlink()) for path in tmp_path.rglob("*") if path.is_symlink()}
    assert links == dict.fromkeys(names[:2], names[2])
    assert (tmp_path / "fruit/libfruit.so").read_text() == "same" * 100
    assert savings.sizes == {stripping.COPIES: 800}


def test_what_no_distribution_recorded_stays(tmp_path):
    filled(tmp_path, {"fruit/tests/mine.json": "{}"})
    left, _ = stripped(tmp_path, {"fruit/__init__.py": "", "fruit/tests/test_fruit.py": TEST})
    assert "fruit/tests/mine.json" in left


def test_nothing_is_taken_from_what_cannot_be_read_whole(tmp_path):
    files = {"fruit/__init__.py": "", "fruit/tests/test_fruit.py": TEST}
    filled(tmp_path, {"large.py": ""})
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    left, savings = stripped(tmp_path, files)
    assert left >= files.keys()
    assert "'large.py' could not be read" in savings.notes[0]


# ---- ELF files -------------------------------------------------------------------------------


def with_symbols(path):
    """Give an extension module a section that only a debugger reads, as the compiler would."""
    note = path.with_suffix(".debug")
    note.write_bytes(b"x" * 100_000)
    command = ["objcopy", f"--add-section=.debug_more={note}", path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    note.unlink()
    return path


@has_extensions
@has_strip
def test_debug_sections_go_and_the_module_still_works(tmp_path):
    source = next(path for path in EXTENSIONS if path.name.startswith("_json."))
    module = with_symbols(shutil.copy(source, tmp_path / source.name))
    before = module.read_bytes()
    _, savings = stripped(tmp_path, {})
    after = module.read_bytes()
    assert savings.sizes[stripping.SYMBOLS] == len(before) - len(after) >= 100_000
    assert elf.loads_the_same(before, after)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import _json; print(_json)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{code}; _json.scanstring('text\"', 0)"],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert str(module) in done.stdout


@has_extensions
def test_files_whose_loaded_bytes_differ_are_not_the_same():
    content = EXTENSIONS[0].read_bytes()
    assert elf.loads_the_same(content, content + b"more")
    elf_file = ELFFile(io.BytesIO(content))
    loaded = [
        one["p_offset"] + one["p_filesz"] - 1
        for one in elf_file.iter_segments()
        if one["p_type"] == "PT_LOAD"
    ]
    for at in (16, 24, 32, 70, *loaded):  # the header, program headers, what they load
        changed = bytearray(content)
        changed[at] ^= 1
        assert not elf.loads_the_same(content, bytes(changed)), at
    sections = bytearray(content)
    sections[40:48] = struct.pack("<Q", 0)
    assert elf.loads_the_same(content, bytes(sections))
    assert not elf.loads_the_same(content, content[: len(content) // 3])
    assert not elf.loads_the_same(content, b"")


@has_extensions
@has_strip
def test_a_file_that_strip_would_lay_out_again_stays_and_is_counted(tmp_path):
    module = with_symbols(shutil.copy(EXTENSIONS[0], tmp_path / "fast.so"))
    content = bytearray(module.read_bytes())
    # A segment of its own at the end of the file, where patchelf puts what it has moved.
    count, start = content[56], int.from_bytes(content[32:40], "little")
    heads = [content[start + 56 * n : start + 56 * n + 56] for n in range(count)]
    note = next(n for n, head in enumerate(heads) if head[:4] == struct.pack("<I", 0x6474E551))
    end = len(content) + -len(content) % 4_096
    place = struct.pack("<IIQQQQQQ", 1, 4, end, 1 << 30, 1 << 30, 8, 8, 4_096)
    content[start + 56 * note : start + 56 * note + 56] = place
    content = bytes(content).ljust(end, b"\0") + b"segment!"
    module.write_bytes(content)
    _, savings = stripped(tmp_path, {})
    if module.read_bytes() == content:
        assert savings.left == ["fast.so"]
        assert "nothing of 1 compiled file" in "".join(savings.lines())
    else:
        assert elf.loads_the_same(content, module.read_bytes())


@has_extensions
def test_without_the_program_symbols_stay_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    shutil.copy(EXTENSIONS[0], tmp_path / "fast.so")
    left, savings = stripped(tmp_path, {})
    assert "fast.so" in left
    assert "install binutils" in savings.notes[0]


# ---- bytecode --------------------------------------------------------------------------------


def test_bytecode_of_archived_modules_goes_and_that_of_others_stays(tmp_path):
    folder = compile_all(filled(tmp_path, {"app.py": "", "part/__init__.py": "", "late.py": ""}))
    made = [
        ArchiveModule("app", "t", "app.py", b"c"),
        ArchiveModule("part", "t", "part/__init__.py", b"c"),
    ]
    (folder / "snapboot.modules").write_bytes(archive(made, ["t"]))
    savings = Savings()
    stripping.strip_doubles(folder, TAG, savings)
    assert {path.name for path in folder.rglob("*.pyc")} == {f"late.{TAG}.pyc"}
    assert savings.files == {stripping.DOUBLES: 2}


def test_bytecode_of_modules_in_which_imports_wait_stays_for_when_none_is_to_wait(tmp_path):
    folder = compile_all(filled(tmp_path, {"app.py": "import json", "other.py": ""}))
    made = [ArchiveModule(name, "t", f"{name}.py", b"c") for name in ("app", "other")]
    content = archive(made, ["t"], lazy={"app": ("json",)})
    (folder / "snapboot.modules").write_bytes(content)
    stripping.strip_doubles(folder, TAG, Savings())
    assert {path.name for path in folder.rglob("*.pyc")} == {f"app.{TAG}.pyc"}


def test_where_it_is_still_too_large_bytecode_of_libraries_goes_and_all_else_stays(tmp_path):
    files = {
        "app.py": "",
        "lib/__init__.py": "",
        "lib/late.py": "",
        "lib-1.dist-info/RECORD": "lib/__init__.py,,\nlib/late.py,,\n",
        ".snapboot/runtime/snapboot/__init__.py": "",
        ".snapboot/python/lib/python3.13/os.py": "",
    }
    folder = compile_all(filled(tmp_path, files))
    before = {path for path in folder.rglob("*") if path.is_file()}
    savings = Savings()
    stripping.strip_late(folder, savings)
    gone = before - {path for path in folder.rglob("*") if path.is_file()}
    cache = folder / "lib/__pycache__"
    assert gone == {cache / f"__init__.{TAG}.pyc", cache / f"late.{TAG}.pyc"}
    assert savings.files == {stripping.LATE: 2}


def test_where_it_is_too_large_even_then_bytecode_of_the_standard_library_goes_too(tmp_path):
    stdlib = ".snapboot/python/lib/python3.13"
    files = {
        "app.py": "",
        f"{stdlib}/os.py": "",
        f"{stdlib}/json/__init__.py": "",
        f"{stdlib}/encodings/__init__.py": "",
        ".snapboot/runtime/snapboot/__init__.py": "",
    }
    folder = compile_all(filled(tmp_path, files))
    savings = Savings()
    stripping.strip_late_stdlib(folder, savings)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*.pyc")}
    assert left == {
        f"__pycache__/app.{TAG}.pyc",
        f"{stdlib}/encodings/__pycache__/__init__.{TAG}.pyc",
        f".snapboot/runtime/snapboot/__pycache__/__init__.{TAG}.pyc",
    }
    assert savings.files == {stripping.LATE_STDLIB: 2}


def test_examples_in_the_data_of_botocore_go_and_what_a_client_reads_stays(tmp_path):
    model = "botocore/data/s3/2006-03-01/service-2.json.gz"
    files = {
        model: "x",
        "botocore/data/s3/2006-03-01/examples-1.json": "x" * 500,
        "botocore/data/sqs/2012-11-05/examples-1.json.gz": "x" * 500,
        "fruit/data/examples-1.json": "x",
    }
    left, savings = stripped(tmp_path, files)
    assert left == {*OWN, model, "fruit/data/examples-1.json"}
    assert savings.sizes == {stripping.EXAMPLES: 1_000}
