"""`.pth` files: what comes of them under us and under the interpreter's own `site` is the same."""

from __future__ import annotations

import inspect
import json
import os
import site
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

DEADLINE_S = 60
IN_BATCHES = sys.version_info >= (3, 15)
# What later releases of 3.11 and 3.12 have, and this very one may not.
OWN_RULES = inspect.getsource(site)
SKIPS_HIDDEN = 'startswith(".")' in OWN_RULES
READS_MARKS = "utf-8-sig" in OWN_RULES

# What a file of `.pth` is, and a folder that has it, by what is odd about it. Lines may use what
# the folder has: the packages `one` and `two`, and the folders `first` and `second`.
CORPUS: dict[str, dict[str, bytes]] = {
    "folders": {"a.pth": b"first\nsecond\n"},
    "folders twice": {"a.pth": b"first\nfirst\n./first/\nsecond/../first\n"},
    "a folder that is missing": {"a.pth": b"missing\nfirst\n"},
    "a file": {"a.pth": b"one.py\n"},
    "itself": {"a.pth": b".\n"},
    "an absolute path": {"a.pth": b"/usr/lib\n/\n//\n"},
    "comments and empty lines": {"a.pth": b"# first\n\n   \n\t\nfirst\n#second\n"},
    "spaces around a path": {"a.pth": b"first   \n"},
    "spaces before code": {"a.pth": b" import one\nfirst\n"},
    "a comment behind spaces": {"a.pth": b"  # first\nsecond\n"},
    "code": {"a.pth": b"import one\nimport\ttwo\n"},
    "code of several statements": {"a.pth": b"import sys; sys.said.append('x'); import one\n"},
    "something like code": {"a.pth": b"importlib\nimport\nfirst\n"},
    "code that fails": {"a.pth": b"import one\nimport missing_module\nimport two\nfirst\n"},
    "code that raises": {"a.pth": b"import sys; 1 / 0\nfirst\n", "b.pth": b"second\n"},
    "code that is none": {"a.pth": b"import one; def\nfirst\n"},
    "code that is not over": {"a.pth": b"import one; (\nfirst\n"},
    "names between lines": {
        "a.pth": b"import json as j\nimport sys; sys.said.append(j.__name__)\n"
    },
    "names between files": {
        "a.pth": b"import json as j\n",
        "b.pth": b"import sys; sys.said.append(j.__name__)\n",
    },
    "names of site's": {"a.pth": b"import sys; sys.said.append(os.sep + io.StringIO.__name__)\n"},
    "functions of site's": {"a.pth": b"import sys; sys.said.append(makepath('/a//b')[0])\n"},
    "a lambda that needs a global": {"a.pth": b"import sys; sys.said.append((lambda: os.sep)())\n"},
    "site itself": {"a.pth": b"import site; site.addsitedir(sitedir + '/nested')\n"},
    "its own file": {"a.pth": b"import sys; sys.said.append(fullname.rpartition('/')[2])\n"},
    "setuptools' namespace packages": {
        "a-nspkg.pth": b"import sys, types, os;p = os.path.join(sys._getframe(1)"
        b".f_locals['sitedir'], *('space',));m = sys.modules.setdefault('space', types.ModuleType"
        b"('space'));mp = m.__dict__.setdefault('__path__', []);(p not in mp) and mp.append(p)\n"
    },
    "setuptools' distutils": {
        "distutils-precedence.pth": b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = "
        b"os.environ.get(var, 'local') == 'local'; enabled and __import__('one')\n"
    },
    "coverage": {"a.pth": b"import sys; exec('try: import missing_module\\nexcept: import one')\n"},
    "several in order": {
        "b.pth": b"second\nimport sys; sys.said.append('b')\n",
        "a.pth": b"first\nimport sys; sys.said.append('a')\n",
        "C.pth": b"import sys; sys.said.append('C')\n",
    },
    "none of these": {"a.pt": b"first\n", "pth": b"first\n", "a.pth.bak": b"import one\n"},
    "no line end": {"a.pth": b"first"},
    "other line ends": {"a.pth": b"first\r\nimport one\r\nsecond\r"},
    "umlauts": {"a.pth": "fürst\nimport sys; sys.said.append('ü')\n".encode()},
    "a path changed by code": {
        "a.pth": b"import sys; sys.path.insert(0, sitedir + '/first')\nfirst\n"
    },
    "sys.path shortened": {"a.pth": b"import sys; del sys.path[-1]\nfirst\n"},
    "code with the folder it adds": {"a.pth": b"first\nimport inner_of_first\n"},
    "a nul": {"a.pth": b"missing\0file\nsecond\n"},
    "nothing": {"a.pth": b""},
    "much": {"a.pth": b"first\n" * 5000},
    "a long path": {"a.pth": b"x" * 5000 + b"\nfirst\n"},
}
if SKIPS_HIDDEN:
    CORPUS["hidden files"] = {".a.pth": b"first\n", ".pth": b"import one\n"}
if READS_MARKS:
    CORPUS["a byte-order mark"] = {"a.pth": b"\xef\xbb\xbfimport one\nfirst\n"}
    CORPUS["other separators"] = {"a.pth": b"first\x0csecond\x1cmissing\xe2\x80\xa8first\n"}
if IN_BATCHES:
    CORPUS["entry points"] = {"a.start": b"# one\none:main\ntwo\nmissing_module:main\n"}
    CORPUS["entry points instead of code"] = {"a.pth": b"import two\nfirst\n", "a.start": b""}

READ = """
import posix, sys
sys.said = []
before = set(sys.modules)
folder = sys.argv[1]
"""
SHOW = """
import json
names = ("one", "two", "inner_of_first", "space", "nested_one")
print(json.dumps([sys.path, sorted({*sys.modules} & {*names}), sys.said]))
"""
BY_SITE = READ + "import site; sys.path.append(folder); site.addsitedir(folder)" + SHOW
BY_US = (
    READ
    + f"sys.path.insert(0, {str(ROOT / 'runtime')!r})\n"
    + "from snapboot.path_files import read; del sys.path[0]; sys.path.append(folder)\n"
    + "read({folder: posix.listdir(folder)})"
    + SHOW
)


def outcome(program: str, folder: Path) -> tuple[Any, list[str]]:
    """Return the path, what is loaded and what was said; and what is on stderr."""
    done = subprocess.run(
        [sys.executable, "-SsPc", program, str(folder)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
    )
    frames = [
        line for line in done.stderr.splitlines() if not line.startswith('    File "<frozen site')
    ]
    return json.loads(done.stdout), frames


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder of packages without a `.pth` file."""
    folder = tmp_path / "site packages"
    for name in ("first", "second", "fürst", "nested"):
        (folder / name).mkdir(parents=True)
    for name in ("one", "two", "first/inner_of_first"):
        (folder / f"{name}.py").write_text("def main(): import sys; sys.said.append(__name__)\n")
    (folder / "nested/nested.pth").write_text("import nested_one\n../first\n")
    (folder / "nested/nested_one.py").write_text("")
    return folder


@pytest.mark.parametrize("files", CORPUS.values(), ids=CORPUS)
def test_the_outcome_is_that_of_the_interpreters_own_site(packages: Path, files):
    for name, content in files.items():
        (packages / name).write_bytes(content)
    assert outcome(BY_US, packages) == outcome(BY_SITE, packages)


def test_files_that_cannot_be_read_are_passed_over(packages: Path):
    (packages / "folder.pth").mkdir()
    (packages / "link.pth").symlink_to("nowhere")
    (packages / "z.pth").write_text("first\n")
    path, stderr = outcome(BY_US, packages)
    assert (path[0][-1], stderr) == (str(packages / "first"), [])


def test_hidden_files_are_passed_over_on_every_version(packages: Path):
    (packages / ".hidden.pth").write_text("import one\nfirst\n")
    assert outcome(BY_US, packages)[0][1:] == [[], []]


def test_a_byte_order_mark_is_no_part_of_the_first_line_on_any_version(packages: Path):
    (packages / "a.pth").write_bytes(b"\xef\xbb\xbfimport one\n")
    assert outcome(BY_US, packages)[0][1:] == [["one"], []]


def test_a_file_in_no_known_encoding_is_reported_and_the_others_are_read(packages: Path):
    (packages / "a.pth").write_bytes(b"import one # \xff\n")
    (packages / "b.pth").write_bytes(b"import two\n")
    (_, loaded, _), (line,) = outcome(BY_US, packages)
    assert loaded == ["two"]
    assert f"Error processing {packages}/a.pth: 'utf-8' codec can't decode" in line


# --- in a function -------------------------------------------------------------------------------


def test_a_path_file_is_read_without_the_import_of_site(function: Function, bare_python):
    function.write("vendored/dependency.py", "")
    function.write("my.pth", "vendored\nimport sys; sys.executed = True\n")
    function.code("""
        import dependency, sys

        def handler(event, context):
            return sorted({"site", "os", "snapboot.path_files"} & {*sys.modules})
    """)
    contender = Contender("bare", lambda _: [bare_python, "-SsP", str(ROOT / "bootstrap")], dict)
    assert function.run(Event(), contender=contender).result == ["snapboot.path_files"]


def test_a_path_file_may_import_site_and_use_it(function: Function):
    function.write("vendored/dependency.py", "")
    function.write("my.pth", "import site; site.addsitedir(f'{sitedir}/vendored')\n")
    function.code("import dependency\ndef handler(event, context): return dependency.__file__")
    result = function.run(Event()).result
    assert result == str(function.root / "vendored/dependency.py")


def test_sitecustomize_beside_the_standard_library_is_run(function: Function, tmp_path):
    library = Path(os.__file__).parent
    folder = tmp_path / "home/lib" / library.name
    folder.mkdir(parents=True)
    for each in library.iterdir():
        if each.name != "site-packages":
            (folder / each.name).symlink_to(each)
    (folder / "sitecustomize.py").unlink(missing_ok=True)
    (folder / "sitecustomize.py").write_text("import sys; sys.customized = __file__\n")
    function.code("import sys\ndef handler(event, context): return sys.customized")
    run = function.run(Event(), environment={"PYTHONHOME": str(tmp_path / "home")})
    assert run.result == str(folder / "sitecustomize.py")


@pytest.mark.parametrize(
    ("source", "warning"),
    [
        ("import missing_module", "ModuleNotFoundError: No module named 'missing_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import", "SyntaxError: "),
    ],
)
def test_a_sitecustomize_that_fails_is_reported_as_site_does(
    function: Function, tmp_path, source, warning
):
    (tmp_path / "sitecustomize.py").write_text(source)
    function.code("def handler(event, context): return event")
    run = function.run(Event(b"1"), environment={"PYTHONPATH": str(tmp_path)})
    own = subprocess.run(
        [sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (run.result, run.stderr) == (1, own.stderr)
    assert warning in run.stderr


@pytest.mark.skipif(
    Path(os.__file__).with_name("sitecustomize.py").exists(),
    reason="this standard library has a sitecustomize, which comes first",
)
def test_a_sitecustomize_in_a_folder_that_a_path_file_adds_is_run(function: Function, bare_python):
    (packages,) = Path(bare_python).parents[1].glob("lib/*/site-packages")
    (packages / "added").mkdir()
    (packages / "added/sitecustomize.py").write_text("import sys; sys.customized = True\n")
    (packages / "added.pth").write_text("added\n")
    try:
        function.code("import sys\ndef handler(event, context): return sys.customized")
        command = [bare_python, "-SsP", str(ROOT / "bootstrap")]
        assert function.run(Event(), contender=Contender("bare", lambda _: command, dict)).result
    finally:
        (packages / "added.pth").unlink()
