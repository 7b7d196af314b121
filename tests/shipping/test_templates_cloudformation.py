"""The templates as CloudFormation's linter and a careful reader see them."""

import re

import pytest

from tests.shipping import templates

YAML = [*templates.CLOUDFORMATION, *templates.SAM]
EVERY = [*YAML, *templates.TERRAFORM, templates.DEPLOY / "cdk" / "app.py"]
ACCOUNT = re.compile(r"\b\d{12}\b")
ANY_RESOURCE = re.compile(r"""Resource:\s*["']?\*|resources\s*=\s*\["\*"\]""")
# In YAML, Terraform and the CDK.
DEFAULT = re.compile(r'(?:Default: |default *= "|InvokeMode\.)RESPONSE_STREAM')


def test_each_way_to_deploy_has_every_variant():
    assert {path.stem for path in templates.CLOUDFORMATION} == {*templates.VARIANTS}
    assert {path.parent.name for path in templates.TERRAFORM} == {*templates.VARIANTS}
    sam = {path.stem for path in templates.SAM}
    assert sam == {"template", *templates.VARIANTS} - {"zip"}


@pytest.mark.slow
@pytest.mark.parametrize("template", YAML, ids=templates.named)
def test_cfn_lint_has_nothing_to_say(template):
    done = templates.lint(template)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
def test_cfn_lint_would_tell(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    text = (templates.DEPLOY / "cloudformation" / "managed-instances.yaml").read_text()
    wrong.write_text(text.replace("PerExecutionEnvironmentMaxConcurrency", "MaxConcurrency"))
    assert "'MaxConcurrency' was unexpected" in templates.lint(wrong).stdout


@pytest.mark.parametrize("template", EVERY, ids=templates.named)
def test_no_account_is_written_down(template):
    assert not ACCOUNT.search(template.read_text())


@pytest.mark.parametrize("template", EVERY, ids=templates.named)
def test_no_role_may_do_something_to_everything(template):
    assert not ANY_RESOURCE.search(template.read_text())


@pytest.mark.parametrize("template", EVERY, ids=templates.named)
def test_what_a_streaming_url_gives_is_said_where_one_can_be_had(template):
    text = template.read_text()
    if "RESPONSE_STREAM" in text:
        assert DEFAULT.search(text)
        assert "result becomes the body as it" in text
        assert "needs BUFFERED" in text
