"""Bytecode that is not used, what it costs, and which modules a start comes to."""

import sys

import pytest

from snapboot_devkit.package.audit import audit
from snapboot_devkit.package.audit.compiler import Modules
from tests.devkit.audited import (
    CHECKED,
    LONG,
    TAG,
    TIMESTAMP,
    ZEROED,
    codes,
    compile_all,
    distribution,
    filled,
    found,
    zipped,
)

LIBRARY = ("library/__init__.py", "library/unused.py")
FILES = {"app.py": "import library\n"} | dict.fromkeys(LIBRARY, LONG)
FILES |= distribution("library", "1.0", *LIBRARY)
OTHER = "3.13" if sys.version_info[:2] != (3, 13) else "3.12"


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "code", FILES)


def test_bytecode_with_unchecked_hashes_is_nothing_to_speak_of(folder):
    report = audit(compile_all(folder))
    assert (codes(report), report.measured, report.cost_s) == ({}, None, 0.0)


def test_missing_bytecode_costs_what_compiling_the_imported_modules_takes(folder):
    report = audit(folder)
    by_path = {one.path: one for one in report.findings}
    library = next(one for one in report.findings if "library" in one.message)
    assert library.severity.value == "warning"
    assert "library: 2 of 2 modules have no bytecode; the start imports 1 module" in library.message
    assert library.cost_s > 0
    assert by_path["app.py"].severity.value == "note"
    assert report.measured.modules == 2
    assert report.measured.start == ("app",)
    assert f"compiled by Python {sys.version_info[0]}." in str(report.measured)
    assert "loading app comes to" in str(report.measured)


def test_a_handler_narrows_down_what_is_measured(tmp_path):
    files = {"app.py": "", "job.py": "import library\n", "library.py": LONG}
    folder = filled(tmp_path / "code", files)
    assert audit(folder, handler="app.handler").measured.modules == 1
    assert audit(folder, handler="job.handler").measured.modules == 2


def test_without_code_of_its_own_all_of_a_package_is_measured(tmp_path):
    layer = filled(tmp_path / "layer", {"python/library.py": LONG, "python/other.py": LONG})
    report = audit(layer)
    assert (report.form, report.measured.start, report.measured.modules) == ("layer", None, 2)


def test_dates_that_a_packager_has_zeroed_make_all_bytecode_stale(folder, tmp_path):
    compile_all(folder, TIMESTAMP)
    report = audit(zipped(folder, tmp_path / "function.zip", date=ZEROED))
    stale = [one for one in report.findings if one.code == "bytecode-stale"]
    assert len(stale) == 2
    assert all("dates are not those" in one.message for one in stale)
    assert report.cost_s > 0


def test_dates_that_are_kept_are_worth_a_note(folder, tmp_path):
    compile_all(folder, TIMESTAMP)
    assert codes(audit(folder)) == {"bytecode-timestamps": "note"}
    assert codes(audit(zipped(folder, tmp_path / "function.zip"))) == {
        "bytecode-timestamps": "note"
    }


def test_a_changed_source_makes_bytecode_stale(folder):
    compile_all(folder, TIMESTAMP)
    filled(folder, {"app.py": "import library, sys\n"})
    assert "another source" in found(folder, "bytecode-stale").message


def test_hashes_that_are_checked_are_mildly_spoken_of(folder):
    compile_all(folder, CHECKED)
    assert codes(audit(folder)) == {"bytecode-checked": "note"}


def test_a_checked_hash_of_another_source_is_stale(folder):
    compile_all(folder, CHECKED)
    filled(folder, {"app.py": "import library # changed\n"})
    assert found(folder, "bytecode-stale").path == "app.py"


def test_an_unchecked_hash_of_another_source_is_an_error_as_the_old_code_runs(folder):
    compile_all(folder)
    filled(folder, {"app.py": "import library # changed\n"})
    finding = found(folder, "bytecode-mismatch")
    assert (finding.path, finding.severity.value) == ("app.py", "error")


def test_bytecode_of_another_version_is_neither_used_nor_wanted(folder):
    compile_all(folder)
    for path in folder.rglob("*.pyc"):
        path.rename(path.with_name(path.name.replace(TAG, "cpython-310")))
    report = audit(folder, python=sys.executable)
    assert codes(report)["bytecode-version"] == "warning"
    assert codes(report)["bytecode-useless"] == "note"


def test_without_an_interpreter_given_the_version_is_that_of_most_bytecode(folder):
    compile_all(folder)
    for path in folder.rglob("*.pyc"):
        path.rename(path.with_name(path.name.replace(TAG, "cpython-" + OTHER.replace(".", ""))))
    assert audit(folder).python == f"Python {OTHER}"


def test_damaged_bytecode_is_reported(folder):
    compile_all(folder)
    (folder / "__pycache__" / f"app.{TAG}.pyc").write_bytes(b"no bytecode")
    assert found(folder, "bytecode-damaged").path == "app.py"


def test_a_module_that_cannot_be_compiled_is_an_error_if_it_is_the_functions(folder):
    filled(folder, {"app.py": "def handler(:\n"})
    finding = found(folder, "uncompilable")
    assert (finding.path, finding.severity.value) == ("app.py", "error")
    assert "SyntaxError" in finding.message


# ---- what the start imports ------------------------------------------------------------------


def closure(*start, **files):
    sources = {f"{name}.py": (name, source.encode(), True) for name, source in files.items()}
    return Modules(sources, ["", "lib/"]).closure(list(start))


@pytest.mark.parametrize(
    "source",
    [
        "import b",
        "import c, b",
        "from b import name",
        "if 1:\n    import b",
        "try:\n    import missing\nexcept ImportError:\n    import b",
        "class A:\n    import b",
        "with x:\n    pass\nfor y in z:\n    from b import y",
    ],
)
def test_what_a_module_imports_when_it_is_loaded_is_reached(source):
    assert closure("a", a=source, b="") == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import b",
        "lambda: __import__('b')",
        "if TYPE_CHECKING:\n    import b",
        "if typing.TYPE_CHECKING:\n    import b",
        "'import b'",
        "this is no Python: import b",
    ],
)
def test_what_it_imports_later_or_never_is_not(source):
    assert closure("a", a=source, b="") == ["a.py"]


def test_packages_are_loaded_before_their_members_and_relative_imports_are_followed():
    files = {
        "p/__init__": "from . import one",
        "p/one": "from ..p.two import x\nfrom .deep import three",
        "p/two": "",
        "p/deep/__init__": "",
        "p/deep/three": "from ... import above_the_top",
    }
    assert closure("p.one", **files) == [
        "p/__init__.py", "p/one.py", "p/two.py", "p/deep/__init__.py", "p/deep/three.py",
    ]  # fmt: skip


def test_circles_end_and_the_first_root_wins():
    files = {"a": "import b", "b": "import a, c", "lib/b": "", "lib/c": "import b"}
    assert closure("a", **files) == ["a.py", "b.py", "lib/c.py"]
