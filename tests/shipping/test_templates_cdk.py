"""The CDK's app: the templates that it makes."""

import json
import shutil
import sys
import zipfile

import pytest

from oracles import cdk
from tests.shipping import templates

pytestmark = pytest.mark.slow

# The CDK itself writes a dependency that a GetAtt makes already, and no more than it needs for the
# policy that a role has to have before a function uses it.
OF_THE_CDK = ("W3005", "I")


@pytest.fixture(scope="module")
def synth(tmp_path_factory):
    """Return what makes a variant's template, of packages that are there in name only."""
    command, library = cdk.command(), cdk.library()
    folder = shutil.copytree(templates.DEPLOY / "cdk", tmp_path_factory.mktemp("cdk") / "cdk")
    dist = packaged(folder.parent / "dist")

    def run(variant, architecture="x86_64"):
        output = folder.parent / f"{variant}-{architecture}"
        context = {"variant": variant, "architecture": architecture, "dist": dist}
        words = [word for key, value in context.items() for word in ("-c", f"{key}={value}")]
        app = f"{sys.executable} app.py"
        done = templates.run(
            [*command, "synth", "--quiet", "--app", app, "--output", output, *words],
            folder,
            cdk.ENVIRONMENT | {"PYTHONPATH": str(library), "HOME": str(folder.parent)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return output / f"snapboot-{variant}.template.json"

    return run


def packaged(dist):
    (dist / "image").mkdir(parents=True)
    (dist / "image" / "Dockerfile").write_text("FROM scratch\n")
    for name in ("function.zip", "layer.zip"):
        with zipfile.ZipFile(dist / name, "w") as archive:
            archive.writestr("bootstrap", "")
    return dist


def of_type(template, kind):
    resources = json.loads(template.read_text())["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


@pytest.mark.parametrize("variant", templates.VARIANTS)
def test_the_cdk_makes_a_template_that_cfn_lint_takes(synth, variant):
    done = templates.lint(synth(variant), ignoring=OF_THE_CDK)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_architecture_reaches_function_and_layer(synth):
    template = synth("layer", "arm64")
    assert [each["Architectures"] for each in of_type(template, "AWS::Lambda::Function")] == [
        ["arm64"]
    ]
    (layer,) = of_type(template, "AWS::Lambda::LayerVersion")
    assert layer["CompatibleArchitectures"] == ["arm64"]


def test_an_image_is_published_for_its_snapshot(synth):
    template = synth("image")
    (function,) = of_type(template, "AWS::Lambda::Function")
    assert (function["PackageType"], function["SnapStart"]) == (
        "Image",
        {"ApplyOn": "PublishedVersions"},
    )
    (alias,) = of_type(template, "AWS::Lambda::Alias")
    assert alias["FunctionVersion"]["Fn::GetAtt"][1] == "Version"


def test_managed_instances_get_one_event_at_a_time(synth):
    (function,) = of_type(synth("managed-instances"), "AWS::Lambda::Function")
    provider = function["CapacityProviderConfig"]["LambdaManagedInstancesCapacityProviderConfig"]
    assert provider["PerExecutionEnvironmentMaxConcurrency"] == 1
    assert function["PublishToLatestPublished"] is True
    assert function["MemorySize"] == 2048


def test_one_variable_puts_the_runtime_under_a_managed_one(synth):
    (function,) = of_type(synth("managed-runtime"), "AWS::Lambda::Function")
    assert function["Runtime"] == "python3.13"
    assert function["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/snapboot"}
