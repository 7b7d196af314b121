"""The SAM templates, as the SAM CLI validates and builds them."""

import shutil
import stat
import sys

import pytest

from oracles import samcli
from tests.shipping import packages, templates

pytestmark = pytest.mark.slow

FOLDER = templates.DEPLOY / "sam"


@pytest.fixture(scope="module")
def sam():
    """Return what runs `sam` in a folder."""
    installed = samcli.folder()

    def run(cwd, *words, **variables):
        environment = {**samcli.ENVIRONMENT, "PYTHONPATH": str(installed), "HOME": str(cwd)}
        return templates.run([*samcli.COMMAND, *words], cwd, environment | variables)

    return run


@pytest.fixture
def project(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "sam")


@pytest.fixture
def build(sam, project):
    """Return what builds a template by the Makefile; it gives the folder of what was built."""
    for program in ("make", "unzip"):
        if shutil.which(program) is None:
            pytest.skip(f"the Makefile needs {program}, which is not on the PATH")
    # make splits its variables at spaces; PYTHONPATH is sam's own and none of snapboot's.
    variables = {
        "SNAPBOOT": f"env -u PYTHONPATH {sys.executable} -m snapboot_devkit",
        "PYTHON": sys.base_prefix,
        "OPTIONS": "--allow-newer-glibc",
    }

    def build(template):
        done = sam(project, "build", "--template", template, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return project / ".aws-sam" / "build"

    return build


@pytest.mark.parametrize("template", [path.name for path in templates.SAM])
def test_sam_finds_a_template_valid(sam, project, template):
    done = sam(project, "validate", "--lint", "--template", template)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_sam_build_makes_a_function_that_brings_its_interpreter(build):
    function = build("template.yaml") / "Function"
    assert {"app.py", "bootstrap", "snapboot.modules"} <= {path.name for path in function.iterdir()}
    assert stat.S_IMODE((function / "bootstrap").stat().st_mode) & stat.S_IXOTH
    assert_bootstrap_starts_what_is_there(function, "/var/task/")


def test_sam_build_makes_a_layer_and_a_function_without_an_interpreter(build):
    built = build("layer.yaml")
    assert_bootstrap_starts_what_is_there(built / "Layer", "/opt/")
    function = built / "LayeredFunction"
    assert {"app.py", "snapboot.modules"} <= {path.name for path in function.iterdir()}
    assert not (function / "bootstrap").exists()


def test_sam_build_makes_the_wrapper_layer_and_leaves_the_function_as_it_is(build):
    built = build("managed-runtime.yaml")
    wrapper = built / "WrapperLayer/snapboot"
    assert stat.S_IMODE(wrapper.stat().st_mode) & stat.S_IXOTH
    assert (built / "WrapperLayer/snapboot.d/snapboot/main.py").is_file()


def assert_bootstrap_starts_what_is_there(folder, place):
    shebang = (folder / "bootstrap").read_text().splitlines()[0]
    interpreter = shebang.removeprefix("#!").split()[0]
    assert interpreter.startswith(place)
    assert (folder / interpreter.removeprefix(place)).stat().st_mode & stat.S_IXOTH


def test_what_sam_builds_answers(build, tmp_path):
    function = build("template.yaml") / "Function"
    interpreter = next((function / ".snapboot" / "python" / "bin").glob("python3*"))
    done = packages.snapboot(
        "invoke", "app.handler", '{"queryStringParameters": {"name": "Ada"}}',
        "--task-root", function, "--python", interpreter, cwd=tmp_path,
    )  # fmt: skip
    assert "Hello, Ada!" in done.stdout, done.stderr
