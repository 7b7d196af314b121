"""The Terraform files, as far as they can be judged without the provider."""

import json
import shutil
import sys

import pytest

from oracles import terraform
from tests.shipping import templates

pytestmark = pytest.mark.slow

READ = "import hcl2, json, sys; print(json.dumps(hcl2.load(sys.stdin)))"
# What Terraform itself takes in every resource, and what the parser adds.
OF_ANY_RESOURCE = {"count", "depends_on", "for_each", "lifecycle", "provider"}
OF_THE_PARSER = {"__comments__", "__is_block__"}


@pytest.fixture(scope="module")
def resources():
    """Return what parses a file; it gives (type, name, settings) of each resource."""
    parser = terraform.parser()
    terraform.fields("aws_lambda_function")

    def parse(text, folder):
        (folder / "parsed.tf").write_text(text)
        read = READ.replace("sys.stdin", f"open({str(folder / 'parsed.tf')!r})")
        done = templates.run([sys.executable, "-c", read], folder, {"PYTHONPATH": str(parser)})
        assert done.returncode == 0, done.stderr
        return [
            (kind.strip('"'), name.strip('"'), settings)
            for resource in json.loads(done.stdout)["resource"]
            for kind, named in resource.items()
            for name, settings in named.items()
        ]

    return parse


def unknown(settings, fields, place):
    """Return every name that the provider does not take where it stands, or not in that form."""
    found = []
    for name, value in settings.items():
        if name in OF_THE_PARSER:
            continue
        field = fields.get(name)
        if field is None:
            found.append(f"{place}.{name} is not taken")
            continue
        inner = [each for each in value or () if isinstance(each, dict)] if field.fields else []
        for each in inner:
            if each.get("__is_block__", False) is not field.is_block:
                found.append(f"{place}.{name} is {'a block' if field.is_block else 'an attribute'}")
            found += unknown(each, field.fields, f"{place}.{name}")
    return found


def judged(found):
    return [
        problem
        for kind, name, settings in found
        for problem in unknown(
            {key: value for key, value in settings.items() if key not in OF_ANY_RESOURCE},
            terraform.fields(kind),
            f"{kind}.{name}",
        )
    ]


@pytest.mark.parametrize("template", templates.TERRAFORM, ids=templates.named)
def test_terraform_would_not_format_it_otherwise(template, tmp_path):
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("no terraform on the PATH")
    environment = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": "", "HOME": str(tmp_path)}
    done = templates.run(
        [program, "fmt", "-check", "-diff", template], template.parent, environment
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# `terraform validate` needs the provider, which no package registry but Terraform's own has.
@pytest.mark.parametrize("template", templates.TERRAFORM, ids=templates.named)
def test_the_provider_takes_every_name_where_it_stands(resources, template, tmp_path):
    found = resources(template.read_text(), tmp_path)
    assert "aws_lambda_function" in {kind for kind, _, _ in found}
    assert judged(found) == []


def test_a_name_that_the_provider_does_not_take_would_be_found(resources, tmp_path):
    text = """
resource "aws_lambda_capacity_provider" "wrong" {
  instance_requirements {
    architectures = ["arm64"]
  }
  vpc_config {
    subnets = []
  }
}
"""
    place = "aws_lambda_capacity_provider.wrong"
    assert judged(resources(text, tmp_path)) == [
        f"{place}.instance_requirements is an attribute",
        f"{place}.vpc_config.subnets is not taken",
    ]
