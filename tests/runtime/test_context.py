"""The context object, whole, as AWS's Python runtime has it."""

from __future__ import annotations

import json

import pytest

from tests.fakes.function import Function
from tests.fakes.runtime_api import ARN, Event

MOBILE = {
    "custom": {"key": "välue"},
    "env": {"locale": "de-CH"},
    "client": {
        "installation_id": "id",
        "app_title": "Title",
        "app_version_name": "2.0",
        "app_version_code": "20",
        "app_package_name": "org.example",
    },
}
CLIENT_CONTEXT = "Lambda-Runtime-Client-Context"
COGNITO = "Lambda-Runtime-Cognito-Identity"
TENANT = "Lambda-Runtime-Aws-Tenant-Id"


def looked_at(function: Function, expression: str, *events: Event, **environment: str | None):
    """Return what an expression over `context` was for each event."""
    function.code(f"def handler(event, context):\n    return {expression}\n")
    return function.run(*(events or (Event(),)), environment=environment).results


def test_the_function_is_described_by_its_variables(function: Function):
    names = (
        "function_name", "function_version", "memory_limit_in_mb", "log_group_name",
        "log_stream_name",
    )  # fmt: skip
    (found,) = looked_at(function, f"[getattr(context, name) for name in {names!r}]")
    assert found == [
        "test_function",
        "$LATEST",
        "512",
        "/aws/lambda/test_function",
        "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
    ]


def test_what_has_no_variable_is_none(function: Function):
    (found,) = looked_at(
        function,
        "[context.function_name, context.log_stream_name, context.memory_limit_in_mb]",
        AWS_LAMBDA_FUNCTION_NAME=None,
        AWS_LAMBDA_LOG_STREAM_NAME=None,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE=None,
    )
    assert found == [None, None, None]


def test_the_invocation_is_described_by_its_headers(function: Function):
    found = looked_at(
        function,
        "[context.aws_request_id, context.invoked_function_arn, context.tenant_id]",
        Event(request_id="first", headers={TENANT: "blue"}),
        Event(request_id="second", headers={TENANT: ""}),
        Event(request_id="third"),
    )
    assert found == [["first", ARN, "blue"], ["second", ARN, None], ["third", ARN, None]]


def test_the_remaining_time_is_that_until_the_deadline(function: Function):
    found = looked_at(
        function,
        "[context.get_remaining_time_in_millis(), type(context.get_remaining_time_in_millis()) is int]",
        Event(timeout_s=900),
        Event(timeout_s=0.001, headers={"Lambda-Runtime-Deadline-Ms": "1000"}),
    )
    assert 800_000 < found[0][0] <= 900_000
    assert found == [[found[0][0], True], [0, True]]


def test_the_deadline_itself_is_where_libraries_look_for_it(function: Function):
    event = Event(headers={"Lambda-Runtime-Deadline-Ms": "1795290000123"})
    assert looked_at(function, "context._epoch_deadline_time_in_ms", event) == [1795290000123]


def test_the_client_context_of_a_mobile_application_is_an_object(function: Function, over):
    event = Event(headers={CLIENT_CONTEXT: json.dumps(MOBILE, ensure_ascii=False)})
    (found,) = looked_at(
        function,
        "[context.client_context.custom, context.client_context.env,"
        " {name: getattr(context.client_context.client, name) for name in "
        f"{list(MOBILE['client'])!r}}}]",
        event,
        **over,
    )
    assert found == [MOBILE["custom"], MOBILE["env"], MOBILE["client"]]


def test_a_client_context_without_an_application_has_no_client(function: Function):
    event = Event(headers={CLIENT_CONTEXT: '{"custom": {"a": 1}}'})
    expression = (
        "[context.client_context.custom, context.client_context.env, context.client_context.client]"
    )
    assert looked_at(function, expression, event) == [[{"a": 1}, None, None]]


@pytest.mark.parametrize("header", [None, ""])
def test_without_a_client_context_there_is_none(function: Function, header):
    event = Event(headers={CLIENT_CONTEXT: header})
    assert looked_at(function, "context.client_context", event) == [None]


def test_the_cognito_identity_is_always_an_object(function: Function, over):
    identity = '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}'
    found = looked_at(
        function,
        "[context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]",
        Event(headers={COGNITO: identity}),
        Event(headers={COGNITO: ""}),
        Event(),
        **over,
    )
    assert found == [["id", "pool"], [None, None], [None, None]]


def test_trace_context_of_the_w3c_is_taken_out_of_the_client_context(function: Function):
    sent = {
        "w3c": {"traceparent": "00-a-b-01", "tracestate": "x=1", "baggage": "y=2", "other": "z"},
        "custom": {"kept": True},
    }
    found = looked_at(
        function,
        "[context.w3c(), getattr(context.client_context, 'custom', None)]",
        Event(headers={CLIENT_CONTEXT: json.dumps(sent)}),
        Event(headers={CLIENT_CONTEXT: '{"w3c": {"traceparent": 5, "baggage": "y=2"}}'}),
        Event(headers={CLIENT_CONTEXT: '{"w3c": "nonsense"}'}),
        Event(),
    )
    assert found == [
        [{"traceparent": "00-a-b-01", "tracestate": "x=1", "baggage": "y=2"}, {"kept": True}],
        [{"baggage": "y=2"}, None],
        [{}, None],
        [{}, None],
    ]


@pytest.mark.parametrize(
    ("header", "name"), [(CLIENT_CONTEXT, "Client Context"), (COGNITO, "Cognito Identity")]
)
def test_a_header_that_is_not_json_fails_its_event_alone(function: Function, over, header, name):
    function.code("def handler(event, context): return event")
    run = function.run(Event(headers={header: "{nonsense"}), Event(b"1"), environment=over)
    assert run.document["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert run.document["errorMessage"] == (
        f"Unable to parse {name} JSON: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    )
    assert run.document["stackTrace"] == []
    assert run.answers[1].json() == 1


@pytest.mark.parametrize("text", ["[1]", "5", '"text"', '{"client": 5}', '{"w3c": []}'])
def test_json_of_another_shape_costs_one_event_at_most(function: Function, text):
    function.code("def handler(event, context): return event")
    headers = {CLIENT_CONTEXT: text}
    run = function.run(Event(b"0", headers=headers), Event(b"1"))
    assert run.returncode is None
    _, second = run.answers
    assert second.json() == 1
    if not text.startswith("{"):
        assert run.document["errorType"] == "Runtime.LambdaContextUnmarshalError"


def test_log_writes_the_text_as_it_is_and_at_once(function: Function):
    function.code("""
        import os

        def handler(event, context):
            context.log("no line end")
            context.log(["é", 1])
            os._exit(0)
    """)
    assert function.run(Event()).stdout == "no line end['é', 1]"


def test_libraries_may_hang_things_on_it(function: Function):
    function.code("""
        def handler(event, context):
            context.correlation_id = 5
            return [vars(context)["correlation_id"], vars(context)["function_name"]]
    """)
    assert function.run(Event()).result == [5, "test_function"]


def test_its_text_names_all_it_knows(function: Function):
    headers = {TENANT: "blue", CLIENT_CONTEXT: json.dumps(MOBILE)}
    (text,) = looked_at(function, "repr(context)", Event(request_id="first", headers=headers))
    for part in ("aws_request_id=first", "function_name=test_function", "tenant_id=blue", ARN,
                 "app_title=Title", "cognito_identity_id=None"):  # fmt: skip
        assert part in text
    assert text.startswith("LambdaContext([aws_request_id=first,log_group_name=")


def test_the_current_context_is_there_without_passing_it_on(function: Function):
    function.code("""
        import snapboot, threading

        before = snapboot.current_context()

        def handler(event, context):
            seen = []
            thread = threading.Thread(target=lambda: seen.append(snapboot.current_context()))
            thread.start()
            thread.join()
            return [before, snapboot.current_context() is context, seen[0] is context]
    """)
    assert function.run(Event()).result == [None, True, True]


@pytest.mark.parametrize("header", [CLIENT_CONTEXT, COGNITO])
def test_a_header_of_null_is_as_good_as_none(function: Function, header):
    event = Event(headers={header: "null"})
    expression = "[context.client_context, context.identity.cognito_identity_id]"
    assert looked_at(function, expression, event) == [[None, None]]


def test_what_the_functions_init_says_of_itself_is_in_the_context(function: Function):
    function.code("""
        import os
        os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = "another"

        def handler(event, context):
            return context.log_stream_name
    """)
    assert function.run(Event()).result == "another"
