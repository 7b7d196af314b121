"""The event templates: whole, consistent in themselves, and of the shape of AWS's own samples."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from oracles import emulator
from snapboot_devkit import events
from snapboot_devkit.events import TITLES, ChangeError, UnknownTemplateError, changed, event

FOLDER = Path(events.__file__).parent / "templates"

# Ours → AWS's sample of the same thing. Of the others AWS's collection has none.
SAMPLES = {
    "apigw-v2": "apigateway/HttpApi",
    "apigw-rest": "apigateway/AwsProxy",
    "apigw-authorizer": "apigateway/ApiGatewayRestRequestAuthorizer",
    "alb": "alb/ALBRequest",
    "sqs": "sqs/Sqs",
    "sns": "sns/Sns",
    "s3": "s3/S3Put",
    "s3-delete": "s3/S3Delete",
    "dynamodb": "dynamodb/DynamoDBUpdate",
    "kinesis": "kinesis/Kinesis",
    "firehose": "kinesis/KinesisFirehose",
    "schedule": "cloudwatch/ScheduledEvent",
    "cloudwatch-logs": "cloudwatch/CloudwatchLogs",
    "cognito-sync": "cognito/CognitoSyncTrigger",
    "ses": "ses/SesEmailReceiving",
    "cloudformation": "cloudformation/CfnCreateRequest",
}

# Objects whose keys are the user's own: headers, parameters, attributes, claims.
OPEN = re.compile(
    r"(?:.*\.)?(?:headers|multiValueHeaders|queryStringParameters|multiValueQueryStringParameters|"
    r"pathParameters|stageVariables|claims|messageAttributes|MessageAttributes|datasetRecords|"
    r"Keys|NewImage|OldImage|ResourceProperties)"
)

# Where AWS's sample and the service's documentation part, we follow the documentation.
SAMPLE_IS_ODD = {
    "apigw-v2": {
        # Only with mutual TLS.
        *(f".requestContext.authentication{rest}" for rest in (
            "", ".clientCert", ".clientCert.clientCertPem", ".clientCert.subjectDN",
            ".clientCert.issuerDN", ".clientCert.serialNumber", ".clientCert.validity",
            ".clientCert.validity.notBefore", ".clientCert.validity.notAfter")),
    },
    "apigw-authorizer": {
        *(f".requestContext.identity.clientCert{rest}" for rest in (
            "", ".clientCertPem", ".subjectDN", ".issuerDN", ".serialNumber", ".validity",
            ".validity.notBefore", ".validity.notAfter")),
    },
    # A placeholder stands for the whole object.
    "apigw-rest": {".queryStringParameters"},
}  # fmt: skip

# What ours has beyond the sample, from the service's documentation.
MORE = {
    "apigw-rest": {
        ".requestContext.extendedRequestId", ".requestContext.domainPrefix",
        ".requestContext.domainName", ".requestContext.identity.principalOrgId",
    },
    "s3": {".Records[].s3.object.versionId"},
    "schedule": {".version"},
    "ses": {".Records[].ses.receipt.dmarcVerdict", ".Records[].ses.receipt.dmarcVerdict.status"},
    "cloudformation": {".ServiceToken"},
}  # fmt: skip


def shape(value, path=""):
    """Return path → type of every place of an event; of a list's items all together."""
    found = {path: "number" if type(value) in (int, float) else type(value).__name__}
    if isinstance(value, dict) and not OPEN.fullmatch(path):
        for key, inner in value.items():
            found |= shape(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            found |= shape(inner, f"{path}[]")
    return found


@pytest.fixture(scope="module")
def samples():
    texts = emulator.event_samples()
    return {name: json.loads(text) for name, text in texts.items()}


@pytest.mark.parametrize(("ours", "theirs"), SAMPLES.items())
def test_a_template_has_the_keys_and_types_of_the_sample_of_aws(samples, ours, theirs):
    mine, sample = shape(event(ours)), shape(samples[theirs])
    for path in SAMPLE_IS_ODD.get(ours, ()):
        assert mine.get(path) != sample.pop(path), f"{path} is the same after all"
        mine.pop(path, None)
    assert mine.keys() - sample.keys() == MORE.get(ours, set())
    assert {path: mine.get(path) for path in sample} == sample


def test_every_template_is_listed_and_every_listed_one_is_there():
    assert {path.stem for path in FOLDER.iterdir()} == set(TITLES)


@pytest.mark.parametrize("name", TITLES)
def test_a_template_is_an_object_of_one_region_and_one_account(name):
    text = json.dumps(event(name))
    assert isinstance(event(name), dict)
    assert set(re.findall(r"\b(?:us|eu|ap)-[a-z]+-\d\b", text)) <= {"us-east-1"}
    assert set(re.findall(r"(?<![\w-])\d{12}(?![\w-])", text)) <= {"012345678912"}


def test_a_message_of_the_queue_carries_its_own_checksum():
    for record in event("sqs")["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("kinesis", ("Records", 0, "kinesis", "data")),
        ("firehose", ("records", 0, "data")),
        ("kafka", ("records", "orders-0", 0, "value")),
        ("mq", ("messages", 0, "data")),
    ],
)
def test_what_a_stream_carries_is_json_in_base64(name, way):
    value = event(name)
    for step in way:
        value = value[step]
    assert json.loads(base64.b64decode(value, validate=True)) == {"order": 4711, "item": "tea"}


def test_the_logs_are_zipped_as_the_subscription_does():
    data = base64.b64decode(event("cloudwatch-logs")["awslogs"]["data"], validate=True)
    logs = json.loads(gzip.decompress(data))
    assert logs["messageType"] == "DATA_MESSAGE"
    assert [list(line) for line in logs["logEvents"]] == [["id", "timestamp", "message"]]


@pytest.mark.parametrize("name", ["apigw-v2", "function-url", "alb"])
def test_the_length_of_a_request_is_that_of_its_body(name):
    request = event(name)
    assert int(request["headers"]["content-length"]) == len(request["body"])


def test_a_template_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(UnknownTemplateError, match="no event template 'sqss'; did you mean 'sqs'"):
        event("sqss")
    with pytest.raises(UnknownTemplateError, match="choose one of apigw-v2, apigw-rest"):
        event("zebra")


@pytest.mark.parametrize(
    ("assignment", "result"),
    [
        ("a.b=2", {"a": {"b": 2}, "list": ["x", 1], "text": "t"}),
        ("a.new=true", {"a": {"b": 1, "new": True}, "list": ["x", 1], "text": "t"}),
        ("a=plain words", {"a": "plain words", "list": ["x", 1], "text": "t"}),
        ('list.1={"k": [1]}', {"a": {"b": 1}, "list": ["x", {"k": [1]}], "text": "t"}),
        ('text={"k": 1}', {"a": {"b": 1}, "list": ["x", 1], "text": '{"k": 1}'}),
        ("list.0=7", {"a": {"b": 1}, "list": ["7", 1], "text": "t"}),
        ("text=a=b", {"a": {"b": 1}, "list": ["x", 1], "text": "a=b"}),
        ("text=", {"a": {"b": 1}, "list": ["x", 1], "text": ""}),
    ],
)
def test_a_value_is_changed_by_its_path(assignment, result):
    assert changed({"a": {"b": 1}, "list": ["x", 1], "text": "t"}, [assignment]) == result


def test_the_event_that_is_changed_stays_as_it_was():
    before = {"a": {"b": 1}}
    changed(before, ["a.b=2"])
    assert before == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("nothing", "'nothing' is not a change; write it as path.to.field=VALUE"),
        ("=1", "'=1' is not a change"),
        ("b.c=1", "'b.c=1' cannot be set: no 'b' in an object with 'a', 'list'"),
        ("list.2=1", "no '2' in a list of 2, counted from 0"),
        ("list.x.y=1", "no 'x' in a list of 2, counted from 0"),
        ("a.b.c.d=1", "no 'c' in the value 1"),
        ("a.b.c=1", "no 'c' in the value 1"),
    ],
)
def test_a_path_that_leads_nowhere_is_reported_with_what_is_there(assignment, expected):
    with pytest.raises(ChangeError) as error:
        changed({"a": {"b": 1}, "list": ["x", 1]}, [assignment])
    assert expected in str(error.value)
