"""Projects as people have them, one for each layout and trap: packaged, audited, run, compared.

Each runs under AWS's emulator in a root without Python, on the layer that `snapboot package` makes,
and under awslambdaric here; both must give the same answer.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oracles import awslambdaric, roots
from snapboot_devkit.package.audit import Severity, audit
from snapboot_devkit.package.interpreters import managed as native
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.packaging import package
from snapboot_devkit.package.request import PackageRequest
from tests.devkit.packages import buildable, filled, sdist, wheel
from tests.shipping import packages
from tests.shipping.rooted import Rooted

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

ECHO = "def handler(event, context):\n    return {'got': event}\n"
USES_APPLE = "import corpus_apple\ndef handler(event, context):\n    return corpus_apple.VERSION\n"
PROJECT = '[project]\nname = "fruit"\nversion = "1"\nrequires-python = ">=3.11"\n'

WORKSPACE_LOCK = """
version = 1
requires-python = ">=3.11"

[manifest]
members = ["fruit", "corpus-pear"]

[[package]]
name = "fruit"
version = "1"
source = { virtual = "app" }
dependencies = [{ name = "corpus-pear" }]

[package.metadata]
requires-dist = [{ name = "corpus-pear", editable = "lib" }]

[[package]]
name = "corpus-pear"
version = "1.0"
source = { editable = "lib" }
"""
WORKSPACE = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["app", "lib"]\n',
    "uv.lock": WORKSPACE_LOCK,
    "app/pyproject.toml": f'{PROJECT}dependencies = ["corpus_pear"]\n'
    "[tool.uv.sources]\ncorpus_pear = { workspace = true }\n",
    "app/app.py": "import corpus_pear\ndef handler(event, context):\n    return corpus_pear.VERSION\n",
    **{f"lib/{path}": text for path, text in buildable("corpus_pear").items()},
}


@dataclass(frozen=True)
class Project:
    """A project's files, what is packaged of them and how, and what it has to say of itself."""

    name: str
    files: Mapping[str, str]
    handler: str = "app.handler"
    source: str = ""
    options: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    archived: bool = True
    warning: str = ""
    expected: Any = None  # where AWS's client cannot be asked here, as /opt is not at its place

    def __str__(self) -> str:
        """Name it, for pytest."""
        return self.name


PROJECTS = (
    Project("one file", {"app.py": ECHO}),
    Project("a hyphen", {"api-gateway-authorizer-python.py": ECHO}, "api-gateway-authorizer-python.handler"),
    Project("a digit first", {"01_job.py": ECHO}, "01_job.handler"),
    Project("a folder with a hyphen", {"get-user/app.py": ECHO}, "get-user/app.handler"),
    Project("a package", {"shop/__init__.py": "", "shop/api/__init__.py": "from .rows import handler", "shop/api/rows.py": ECHO}, "shop.api.handler"),
    Project("a namespace package", {"shop/api.py": "from .rows import handler", "shop/rows.py": ECHO}, "shop.api.handler"),
    Project("requirements beside the code", {"app.py": USES_APPLE, "requirements.txt": "corpus_apple==1.0\n"}),
    Project("requirements with further files", {"app.py": USES_APPLE, "requirements.txt": "-r base.txt\n-c limits.txt\n", "base.txt": "corpus_apple\n", "limits.txt": "corpus_apple<2\n"}),
    Project("SAM with requirements above", {"template.yaml": "", "requirements.txt": "corpus_apple==1.0\n", "hello/app.py": USES_APPLE}, source="hello"),
    Project("Serverless from the top", {"serverless.yml": "", "requirements.txt": "corpus_apple\n", "src/app.py": USES_APPLE}, "src/app.handler"),
    Project("a project file", {"app.py": USES_APPLE, "pyproject.toml": PROJECT + 'dependencies = ["corpus_apple<2"]\n'}),
    Project("a src layout", {"pyproject.toml": PROJECT + 'dependencies = ["corpus_apple"]\n', "src/app.py": USES_APPLE}, source="src"),
    Project("Pipenv", {"app.py": USES_APPLE, "Pipfile.lock": json.dumps({"_meta": {}, "default": {"corpus_apple": {"version": "==1.0"}}})}),
    Project("a variable", {"app.py": "import os\nTABLE = os.environ['TABLE']\ndef handler(event, context):\n    return TABLE\n"}, options=("--env", "TABLE=orders"), variables={"TABLE": "orders"}),
    Project("a variable that packaging lacks", {"app.py": "import os\nTABLE = os.environ['TABLE']\ndef handler(event, context):\n    return TABLE\n"}, variables={"TABLE": "orders"}, archived=False, warning="--env TABLE=…"),
    Project("vendored modules", {"app.py": "import plum\ndef handler(event, context):\n    return plum.NAME\n", "vendored/plum.py": "NAME = 'plum'\n"}, options=("--env", "PYTHONPATH=/var/task/vendored"), variables={"PYTHONPATH": "/var/task/vendored"}),
    Project("a handler of the root logger", {"app.py": "import logging\nlogging.getLogger().handlers[0].setFormatter(logging.Formatter('%(message)s'))\ndef handler(event, context):\n    return len(logging.getLogger().handlers)\n"}),
    Project("a vendored sys.path", {"app.py": "import sys\nsys.path.insert(0, 'lib')\nimport plum\ndef handler(event, context):\n    return plum.NAME\n", "lib/plum.py": "NAME = 'plum'\n"}),
    Project("data beside the code", {"app.py": "from pathlib import Path\nTEXT = Path(__file__).with_name('data.txt').read_text()\ndef handler(event, context):\n    return TEXT\n", "data.txt": "pear"}),
    Project("a late import", {"app.py": "def handler(event, context):\n    import colorsys\n    return colorsys.rgb_to_hsv(1, 0, 0)\n"}, options=("--include", "colorsys")),
    Project("what only AWS has", {"app.py": "import six\ndef handler(event, context):\n    return six.__version__\n"}, options=("--managed-packages",)),
    Project("what only AWS has, imported late", {"app.py": "def handler(event, context):\n    try:\n        import jmespath\n    except ImportError:\n        pass\n    return 'ran'\n"}, warning="--managed-packages"),
    Project("a host at import", {"app.py": "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError as exc:\n    WHY = type(exc).__name__\ndef handler(event, context):\n    return WHY\n"}),
    Project("a layer", {"app.py": "import fig\ndef handler(event, context):\n    return fig.NAME\n", "deps/python/fig.py": "NAME = 'fig'\n"}, layers=("deps",)),
    Project("a layer with data", {"app.py": "TEXT = open('/opt/data.txt').read()\ndef handler(event, context):\n    return TEXT\n", "deps/data.txt": "pear"}, layers=("deps",), expected="pear"),
    Project("what only AWS has, from a layer", {"app.py": "import jmespath\ndef handler(event, context):\n    return jmespath.NAME\n", "deps/python/jmespath/__init__.py": "NAME = 'mine'\n"}, layers=("deps",)),
    Project("a member of a uv workspace", WORKSPACE, source="app"),
    Project("a source distribution", {"app.py": "import corpus_plum\ndef handler(event, context):\n    return corpus_plum.VERSION\n", "requirements.txt": "corpus_plum==1.0\n"}, options=("--build-sdists",), warning="ran their code"),
    Project("code for another Python", {"app.py": ECHO, "templates/{{ name }}.py": "class {{ name }}: ...\n"}, warning="cannot be compiled"),
)  # fmt: skip


@pytest.fixture(scope="module")
def root():
    return roots.bare()


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layer")
    source = filled(folder / "source", {"witness.py": ECHO})
    output = packages.package(source, folder / "dist", "--as", "layer", *packages.INTERPRETER)
    return packages.unpack(output / packages.LAYER, folder / "opt")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Have the fruit in an index of this test's own, beside the usual one."""
    wheels = tmp_path / "wheels"
    wheel(wheels, "corpus_apple", "1.0")
    sdist(wheels, "corpus_plum")
    wheel(wheels, "six", "99.0", files={"six.py": "__version__ = '99.0'\n"})
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))


def packaged(project: Project, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the code as Lambda has it, and the report."""
    top = filled(folder / "project", project.files)
    words = ("package", top / project.source, "--handler", project.handler, "--as", "zip", "--json")
    options = ("--no-interpreter", "--output", folder / "dist", *packages.INTERPRETER)
    layers = [word for name in project.layers for word in ("--layer", top / name)]
    done = packages.snapboot(*words, *options, *project.options, *layers)
    assert done.returncode == 0, done.stderr
    packed = folder / "dist" / packages.FUNCTION
    audited = packages.snapboot("audit", packed, "--handler", project.handler, *layers)
    named = "--managed-packages" in project.warning and "managed-import" in audited.stdout
    assert audited.returncode == int(named), audited.stdout
    return packages.unpack(packed, folder / "task"), json.loads(done.stdout)


def answer_of_aws(project: Project, top: Path, task: Path, event: str) -> Any:
    """Return what awslambdaric makes of the same code, started by the local host."""
    bare = shutil.copytree(task, task.with_name("plain"))  # whose archive it does not know
    folders = [str(awslambdaric.folder()), str(bare / "vendored")]
    folders += [str(top / layer / "python") for layer in project.layers]
    variables = {**project.variables, "PYTHONPATH": ":".join(folders)}
    pairs = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    command = " ".join((*awslambdaric.command(sys.executable), project.handler))
    done = packages.snapboot(
        *("invoke", project.handler, event, "--task-root", bare, "--bootstrap", command),
        *("--timeout", "30", *pairs),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_a_project_runs_packaged_as_it_does_under_awslambdaric(root, layer, tmp_path, project):
    task, report = packaged(project, tmp_path)
    assert (report["archiveModules"] is not None) == project.archived, report["warnings"]
    if project.warning:
        assert any(project.warning in text for text in report["warnings"])
    else:
        assert report["warnings"] == []
    event = '{"fruit": ["äpple", 1.5, null]}'
    expected = project.expected or answer_of_aws(project, tmp_path / "project", task, event)
    opt = layer
    for name in project.layers:
        opt = shutil.copytree(layer, tmp_path / "opt", symlinks=True) if opt is layer else opt
        shutil.copytree(tmp_path / "project" / name, opt, dirs_exist_ok=True)
    places = {"/var/task": task, "/opt": opt}
    with Rooted(root, project.handler, places=places, variables=project.variables) as function:
        answer = function.invoke(event.encode())
        assert answer.status == 200, f"{answer!r} of {function!r}"
        assert json.loads(answer.body) == expected


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_package_and_audit_never_advise_opposite_things(tmp_path, project):
    """For each target both name the same imports, and audit has nothing left out that is needed."""
    top = filled(tmp_path / "project", project.files)
    layers = tuple(top / one for one in project.layers)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for managed in (False, True):
        request = PackageRequest(
            source=top / project.source,
            handler=project.handler,
            form=Form.ZIP,
            output=tmp_path / f"managed-{managed}",
            python=version,
            architecture=native.native(),
            layers=layers,
            managed=managed,
            managed_packages="--managed-packages" in project.options,
            build_sdists="--build-sdists" in project.options,
            with_archive=False,
            with_interpreter=False,
        )
        made = package(request, str)
        report = audit(
            request.output / packages.FUNCTION,
            handler=project.handler,
            target=f"python{version}" if managed else "provided.al2023",
            layers=layers,
        )
        warned = any("--managed-packages" in text for text in made.warnings)
        found = [one.code for one in report.findings]
        assert warned == ("managed-import" in found)
        assert not (warned and managed)
        if not managed:
            leave_out = [one for one in report.findings if one.code == "provided"]
            assert all(one.severity is Severity.NOTE for one in leave_out)
        assert report.worst is not Severity.ERROR, report.findings


def test_there_are_at_least_twenty():
    assert len({project.name for project in PROJECTS}) >= 20
