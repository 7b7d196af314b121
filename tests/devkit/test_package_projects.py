"""What real projects look like: where they name their packages, and what only AWS has for them."""

import json
import os
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest

from snapboot_devkit.package.contents import managed_packages, projects
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import managed
from tests.devkit.packages import HELLO, filled, sdist, snapboot, wheel
from tests.fakes.contenders import ROOT

PROJECT = '[project]\nname = "fruit"\nversion = "1"\nrequires-python = ">=3.11"\n'


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that is the only index there is."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def asked(requirements):
    """Return the lines of the file that was found or made."""
    (option, path) = requirements.arguments
    assert option == "--requirements"
    return Path(path).read_text("utf-8").split("\n")[:-1]


# --- where packages are named ---------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["template.yaml", "serverless.yml", "pyproject.toml", ".git/HEAD"])
def test_a_function_in_a_folder_of_its_own_has_the_requirements_above(tmp_path, mark):
    root = filled(tmp_path / "project", {mark: "", "requirements.txt": "apple\n"})
    source = filled(root / "src", {"app.py": HELLO})
    found = projects.find(source, None, tmp_path)
    assert found.origin == "'../requirements.txt'"
    assert asked(found) == ["apple"]


def test_a_folder_above_that_is_no_project_is_left_alone(tmp_path):
    filled(tmp_path, {"requirements.txt": "apple\n"})
    assert projects.find(filled(tmp_path / "src", {"app.py": HELLO}), None, tmp_path) is None


def test_requirements_may_name_indexes_constraints_and_further_files(tmp_path, wheels):
    for version in ("1.0", "2.0", "3.0"):
        wheel(wheels, "apple", version)
    wheel(wheels, "pear")
    source = filled(
        tmp_path / "source",
        {
            "app.py": HELLO,
            "requirements.txt": "-i https://example.invalid/simple\n-r more.txt\n-c limits.txt\napple\n",
            "more.txt": "pear\n",
            "limits.txt": "apple<3\n",
        },
    )
    done = packaged(source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = contents(tmp_path / "out")
    assert {"apple-2.0.dist-info/METADATA", "pear.py"} <= names


def test_a_pipfile_lock_is_read(tmp_path):
    lock = {
        "_meta": {"sources": [{"name": "pypi", "url": "https://pypi.org/simple"}, {"url": "https://example.com/simple"}]},
        "default": {
            "apple": {"version": "==1.0", "hashes": ["sha256:x"], "index": "pypi"},
            "pear": {"version": "==2.0", "extras": ["juice", "pie"], "markers": "python_version >= '3.8'"},
        },
        "develop": {"pytest": {"version": "==9"}},
    }  # fmt: skip
    source = filled(tmp_path / "source", {"Pipfile.lock": json.dumps(lock)})
    found = projects.find(source, None, tmp_path)
    assert found.origin == "'Pipfile.lock'"
    assert asked(found) == [
        "--extra-index-url https://example.com/simple",
        "apple==1.0",
        "pear[juice,pie]==2.0 ; python_version >= '3.8'",
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"default": {}}', '{"_meta": {}, "default": {"a": {"git": "x"}}}'])  # fmt: skip
def test_one_that_cannot_be_read_is_reported(tmp_path, content):
    source = filled(tmp_path / "source", {"Pipfile.lock": content})
    with pytest.raises(PackageError, match=r"cannot read .*Pipfile\.lock.*pipenv lock"):
        projects.find(source, None, tmp_path)


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython = '^3.11'\n"}, "poetry export"),
        (
            {"pyproject.toml": PROJECT + 'dependencies = ["a"]\n', "poetry.lock": ""},
            "poetry export",
        ),
        ({"pyproject.toml": PROJECT, "pdm.lock": ""}, "pdm export"),
        ({"Pipfile": ""}, "pipenv lock"),
        ({"environment.yml": ""}, "conda list"),
        ({"setup.py": ""}, "uv pip compile setup.py"),
        ({"pyproject.toml": PROJECT + 'dynamic = ["dependencies"]\n'}, "uv pip compile"),
    ],
)
def test_what_is_not_read_is_named_with_what_makes_a_file_of_it_that_is(tmp_path, files, command):
    source = filled(tmp_path / "source", files)
    with pytest.raises(PackageError, match=command):
        projects.find(source, None, tmp_path)


def test_the_lock_of_a_workspace_serves_its_members(tmp_path, wheels):
    wheel(wheels, "apple", "1.0")
    wheel(wheels, "apple", "2.0")
    lock = f"""
version = 1
requires-python = ">=3.11"

[manifest]
members = ["fruit", "root"]

[[package]]
name = "apple"
version = "1.0"
source = {{ registry = "{wheels}" }}
wheels = [{{ path = "apple-1.0-py3-none-any.whl" }}]

[[package]]
name = "fruit"
version = "1"
source = {{ virtual = "functions/fruit" }}
dependencies = [{{ name = "apple" }}]

[package.metadata]
requires-dist = [{{ name = "apple" }}]

[[package]]
name = "root"
version = "1"
source = {{ virtual = "." }}
"""
    workspace = '\n[tool.uv.workspace]\nmembers = ["functions/*"]\n'
    root = filled(
        tmp_path / "work",
        {
            "pyproject.toml": PROJECT.replace("fruit", "root") + workspace,
            "uv.lock": lock,
            "functions/fruit/pyproject.toml": PROJECT + 'dependencies = ["apple"]\n',
            "functions/fruit/app.py": HELLO,
            "elsewhere/pyproject.toml": PROJECT.replace("fruit", "other")
            + 'dependencies = ["b"]\n',
        },
    )
    found = projects.find(root / "functions/fruit", None, tmp_path)
    assert found.origin == "'uv.lock'"
    assert [line.split()[0] for line in asked(found)] == ["apple==1.0"]
    assert projects.find(root / "elsewhere", None, tmp_path).origin == "'pyproject.toml'"


# --- the table in docs/packaging.md ---------------------------------------------------------------

NEEDS = 'dependencies = ["apple"]\n'
# By the words of the table: a project of that kind, and the folder in it that is the source.
LAYOUTS = {
    "`requirements.txt`, with `-r`, `-c`, `-i` lines": ({"requirements.txt": "-r base.txt\n", "base.txt": "apple\n"}, ""),
    "`uv.lock`": ({"pyproject.toml": PROJECT, "uv.lock": 'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "fruit"\nversion = "1"\nsource = { virtual = "." }\n'}, ""),
    "a member of a uv workspace": ({"pyproject.toml": '[tool.uv.workspace]\nmembers = ["app"]\n', "uv.lock": 'version = 1\nrequires-python = ">=3.11"\n[manifest]\nmembers = ["fruit"]\n[[package]]\nname = "fruit"\nversion = "1"\nsource = { virtual = "app" }\n', "app/pyproject.toml": PROJECT}, "app"),
    "`Pipfile.lock`": ({"Pipfile.lock": '{"_meta": {}, "default": {"apple": {"version": "==1.0"}}}'}, ""),
    "`pyproject.toml` with `[project]` and `dependencies`": ({"pyproject.toml": PROJECT + NEEDS}, ""),
    "SAM: `CodeUri` with `requirements.txt`": ({"template.yaml": "", "hello/requirements.txt": "apple\n"}, "hello"),
    "SAM or Serverless: one `requirements.txt` at the top": ({"serverless.yml": "", "requirements.txt": "apple\n", "src/app.py": HELLO}, "src"),
    "`src/` with the project's files above it": ({"pyproject.toml": PROJECT + NEEDS, "src/app.py": HELLO}, "src"),
    "`poetry.lock`, or Poetry's own dependencies": ({"pyproject.toml": "[tool.poetry.dependencies]\napple = '*'\n", "poetry.lock": ""}, ""),
    "`pdm.lock`": ({"pyproject.toml": PROJECT + NEEDS, "pdm.lock": ""}, ""),
    "`Pipfile` alone": ({"Pipfile": ""}, ""),
    "`setup.py`, `setup.cfg`, dynamic dependencies": ({"setup.py": ""}, ""),
    "`environment.yml` (conda)": ({"environment.yml": ""}, ""),
}  # fmt: skip


def rows():
    """Return the table's rows: what the project has, whether it is supported, how."""
    text = (ROOT / "docs/packaging.md").read_text("utf-8")
    table = text.partition("| the project has |")[2].partition("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {kind: (supported, how) for kind, supported, how in lines}


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs a checkout")
def test_the_table_of_project_layouts_is_whole():
    assert set(rows()) == set(LAYOUTS)


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs a checkout")
@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_the_table_says_of_a_project_layout_is_so(tmp_path, kind):
    supported, how = rows()[kind]
    files, inner = LAYOUTS[kind]
    source = filled(tmp_path / "project", files) / inner
    if supported == "yes":
        assert projects.find(source, None, tmp_path) is not None
        return
    assert supported == "no"
    with pytest.raises(PackageError) as raised:
        projects.find(source, None, tmp_path)
    command = how.strip("`") if how.startswith("`") else "conda list --export"
    assert command in str(raised.value)


# --- what only AWS's runtimes have ----------------------------------------------------------------


def packaged(source, output, *options):
    if managed.native() is None:
        pytest.skip("packages are made on Linux")
    return snapboot(
        *("package", source, "--as", "zip", "--no-interpreter", "--output", output, "--json"),
        *("--arch", managed.native(), "--handler", "app.handler", "--no-archive", *options),
    )


def contents(output):
    with zipfile.ZipFile(output / "function.zip") as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import boto3", ["boto3"]),
        (
            "from botocore.exceptions import ClientError\nimport boto3.session",
            ["boto3", "botocore"],
        ),
        ("def handler(e, c):\n    import s3transfer", ["s3transfer"]),
        ("from dateutil import parser; import six, jmespath", ["jmespath", "dateutil", "six"]),
        ("from . import boto3", []),
        ("import json, boto3_like", []),
        ("def f(:", []),
    ],
)
def test_an_import_that_only_aws_would_satisfy_is_recognised(tmp_path, source, found):
    folder = filled(tmp_path / "source", {"app.py": source})
    imported = managed_packages.imports([folder / "app.py"])
    assert managed_packages.missing(imported, partial(managed_packages.is_in, folder)) == found


def test_it_is_no_such_import_where_the_package_or_snapboots_runtime_has_the_module(tmp_path):
    files = {"app.py": "import boto3, six, urllib3", "boto3/__init__.py": "", "six.py": ""}
    folder = filled(tmp_path / "source", files)
    imported = managed_packages.imports([folder / "app.py"])
    assert imported == {"boto3", "six", "urllib3"}
    assert managed_packages.missing(imported, partial(managed_packages.is_in, folder)) == []
    assert managed_packages.missing(imported, partial(managed_packages.is_in, tmp_path)) == [
        "boto3",
        "six",
    ]


@pytest.mark.parametrize("folder", ["python", "python/lib/python3.13/site-packages"])
@pytest.mark.parametrize("packed", [False, True])
def test_it_is_no_such_import_where_a_layer_has_the_module(tmp_path, folder, packed):
    layer = filled(tmp_path / "layer", {f"{folder}/boto3/__init__.py": "", f"{folder}/six.py": ""})
    if packed:
        layer = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", layer))
    has = partial(managed_packages.is_in, tmp_path)
    assert managed_packages.missing({"boto3", "six"}, has, [layer]) == []
    assert managed_packages.missing({"boto3", "jmespath"}, has, [layer]) == ["jmespath"]


def test_a_layer_counts_towards_what_lambda_takes(tmp_path):
    source = filled(tmp_path / "source", {"app.py": HELLO})
    layer = filled(tmp_path / "layer", {"small": "x"})
    done = packaged(source, tmp_path / "out", "--layer", layer)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sizes"]["the layer 'layer'"] == 1
    with (layer / "large").open("wb") as file:
        file.truncate(250 * 1024 * 1024)
    done = packaged(source, tmp_path / "out2", "--layer", layer)
    assert done.returncode == 2
    assert "layers included; the largest: the layer 'layer' 250.0 MB" in done.stderr


def test_a_layer_that_cannot_be_read_has_no_modules(tmp_path):
    broken = tmp_path / "broken.zip"
    broken.write_text("not a zip")
    layers = [broken, tmp_path / "absent"]
    assert managed_packages.missing(
        {"boto3"}, partial(managed_packages.is_in, tmp_path), layers
    ) == ["boto3"]


def test_it_is_named_with_its_version_and_the_way_to_add_it(tmp_path, wheels):
    source = filled(tmp_path / "source", {"app.py": "import boto3\n" + HELLO})
    done = packaged(source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert f"boto3 (boto3=={managed_packages.SDK})" in warning
    assert "--managed-packages" in warning
    assert "--runtime python3." in warning


def test_it_is_added_when_that_is_wanted(tmp_path, wheels):
    wheel(wheels, "boto3", managed_packages.SDK)
    wheel(wheels, "boto3", "99.0")
    wheel(wheels, "pear")
    files = {"app.py": "import boto3\n" + HELLO, "requirements.txt": "pear\n"}
    done = packaged(filled(tmp_path / "source", files), tmp_path / "out", "--managed-packages")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["warnings"] == []
    assert {f"boto3-{managed_packages.SDK}.dist-info/METADATA", "pear.py"} <= contents(
        tmp_path / "out"
    )


def test_for_awss_own_runtime_there_is_nothing_to_say_of_it(tmp_path):
    source = filled(tmp_path / "source", {"app.py": "import boto3\n" + HELLO})
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    done = packaged(source, tmp_path / "out", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["warnings"] == []
    assert f"--runtime {runtime}" in document["next"][-1]
    assert "--layers" not in document["next"][-1]


@pytest.mark.slow
def test_a_dependency_that_imports_what_only_aws_has_is_helped_in_the_same_way(tmp_path):
    """As Slack's framework does, which names boto3 in no requirement."""
    files = {"requirements.txt": "frame\nurllib3\n", "app.py": f"import frame\n{HELLO}"}
    source = filled(tmp_path / "source", files)
    links = wheel(tmp_path / "wheels", "frame", files={"frame.py": "import six\n"})
    variables = os.environ | {"UV_FIND_LINKS": str(links)}
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"

    def run(*options):
        words = ("package", source, "--handler", "app.handler", "--as", "zip", "--no-interpreter")
        output = tmp_path / f"out{len(options)}"
        native = ("--arch", managed.native(), "--output", output, "--json")
        done = snapboot(*words, *native, *options, env=variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (warning,) = run()["warnings"]
    assert "No module named 'six'" in warning
    assert "--managed-packages" in warning
    helped = run("--managed-packages")
    assert helped["warnings"] == []
    assert helped["archiveModules"]
    assert "--managed-packages" not in "".join(run("--runtime", runtime)["warnings"])


def test_an_unknown_runtime_is_refused(tmp_path):
    source = filled(tmp_path / "source", {"app.py": HELLO})
    done = packaged(source, tmp_path / "out", "--runtime", "nodejs22.x")
    assert done.returncode == 2
    assert "'nodejs22.x'" in done.stderr


# --- packages without wheels ----------------------------------------------------------------------


@pytest.fixture
def plum(tmp_path):
    return filled(tmp_path / "source", {"app.py": HELLO, "requirements.txt": "plum\n"})


def test_a_package_without_a_wheel_is_refused_with_the_way_to_build_it(tmp_path, wheels, plum):
    sdist(wheels, "plum")
    done = packaged(plum, tmp_path / "out")
    assert done.returncode == 2
    assert "--build-sdists, which runs its code" in done.stderr
    assert "\n  " in done.stderr  # uv's own lines


def test_it_is_built_when_that_is_wanted_and_that_is_said(tmp_path, wheels, plum):
    sdist(wheels, "plum")
    done = packaged(plum, tmp_path / "out", "--build-sdists")
    assert done.returncode == 0, done.stderr
    assert "plum.py" in contents(tmp_path / "out")
    (warning,) = json.loads(done.stdout)["warnings"]
    assert "ran their code" in warning
    assert "plum==1.0" in warning


def test_one_that_needs_a_compiler_says_so(tmp_path, wheels, plum):
    sdist(wheels, "plum", "needs_gcc")
    done = packaged(plum, tmp_path / "out", "--build-sdists")
    assert done.returncode == 2
    assert "needs a compiler" in done.stderr
    assert "'gcc' failed" in done.stderr
