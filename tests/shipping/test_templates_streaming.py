"""What docs/shipping.md and the templates say of streaming URLs, and their commands."""

import json
import re
import shlex

import botocore.exceptions
import botocore.session
import pytest
from botocore import xform_name

from tests.devkit.hosted import hosted, request
from tests.shipping import templates

HANDLERS = """
def answer(event, context):
    return {"statusCode": 201, "headers": {"content-type": "text/plain"}, "body": "made"}


def pieces(event, context):
    yield b"one"
    yield b"two"
"""
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOCUMENTS = (templates.ROOT / "docs" / "shipping.md", templates.DEPLOY / "cloudformation/README.md")
# Commands of the AWS CLI that are no operations of a service.
OF_THE_CLI = {("cloudformation", "package"), ("cloudformation", "deploy")}


@pytest.fixture
def of_the_url(tmp_path):
    """Return what asks a handler's URL; it gives status, headers and body."""
    (tmp_path / "app.py").write_text(HANDLERS)

    def ask(handler, *, stream_url):
        settings = {
            "task_root": tmp_path,
            "bootstrap": None,
            "stream_url": stream_url,
            "name": "hello",
        }

        async def scenario(host):
            return await request(host, "GET", "/function-url/hello/", b"")

        return hosted(f"app.{handler}", scenario, **settings)

    return ask


def test_a_buffered_url_reads_the_result_as_a_response(of_the_url):
    status, headers, body = of_the_url("answer", stream_url=False)
    assert (status, headers["content-type"], body) == (201, "text/plain", b"made")


def test_a_streaming_url_hands_the_result_out_as_it_is(of_the_url):
    status, headers, body = of_the_url("answer", stream_url=True)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["statusCode"] == 201


def test_a_streaming_url_hands_out_what_a_generator_yields(of_the_url):
    status, headers, body = of_the_url("pieces", stream_url=True)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert body == b"onetwo"


def commands():
    for document in DOCUMENTS:
        for block in BLOCK.findall(document.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["aws"] and tuple(words[1:3]) not in OF_THE_CLI:
                    yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_in_the_documents_names_what_the_api_has(words):
    service, command, *options = words
    try:
        model = botocore.session.get_session().get_service_model(service)
    except botocore.exceptions.UnknownServiceError as exc:
        pytest.skip(str(exc))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    members = model.operation_model(operations[command]).input_shape.members
    taken = {f"--{xform_name(name, '-')}" for name in members} | {"--zip-file"}
    assert {option for option in options if option.startswith("--")} <= taken
