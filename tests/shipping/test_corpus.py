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
from tests.devkit.packages import filled, wheel
from tests.shipping import packages
from tests.shipping.rooted import Rooted

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

ECHO = "def handler(event, context):\n    return {'got': event}\n"
USES_APPLE = "import corpus_apple\ndef handler(event, context):\n    return corpus_apple.VERSION\n"
PROJECT = '[project]\nname = "fruit"\nversion = "1"\nrequires-python = ">=3.11"\n'


@dataclass(frozen=True)
class Project:
    """A project's files, what is packaged of them and how, and what it has to say of itself."""

    name: str
    files: Mapping[str, str]
    handler: str = "app.handler"
    source: str = ""
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    archived: bool = True
    warning: str = ""

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
    wheel(wheels, "six", "99.0", files={"six.py": "__version__ = '99.0'\n"})
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))


def packaged(project: Project, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the code as Lambda has it, and the report."""
    top = filled(folder / "project", project.files)
    words = ("package", top / project.source, "--handler", project.handler, "--as", "zip", "--json")
    options = ("--no-interpreter", "--output", folder / "dist", *packages.INTERPRETER)
    done = packages.snapboot(*words, *options, *project.options)
    assert done.returncode == 0, done.stderr
    packed = folder / "dist" / packages.FUNCTION
    audited = packages.snapboot("audit", packed, "--handler", project.handler)
    assert audited.returncode == 0, audited.stdout
    return packages.unpack(packed, folder / "task"), json.loads(done.stdout)


def answer_of_aws(project: Project, task: Path, event: str) -> Any:
    """Return what awslambdaric makes of the same code, started by the local host."""
    bare = shutil.copytree(task, task.with_name("plain"))  # whose archive it does not know
    folders = [str(awslambdaric.folder()), str(bare / "vendored")]
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
    expected = answer_of_aws(project, task, event)
    places = {"/var/task": task, "/opt": layer}
    with Rooted(root, project.handler, places=places, variables=project.variables) as function:
        answer = function.invoke(event.encode())
        assert answer.status == 200, f"{answer!r} of {function!r}"
        assert json.loads(answer.body) == expected


def test_there_are_at_least_twenty():
    assert len({project.name for project in PROJECTS}) >= 20
