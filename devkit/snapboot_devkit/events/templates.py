"""The templates by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# What each template is, in the order in which they are listed.
TITLES: Final[Mapping[str, str]] = {
    "apigw-v2": "API Gateway HTTP API, payload format 2.0",
    "apigw-rest": "API Gateway REST API, or HTTP API with payload format 1.0",
    "apigw-websocket": "API Gateway WebSocket API, a message",
    "apigw-authorizer": "API Gateway REST API, a request authorizer",
    "function-url": "Lambda function URL",
    "alb": "Application Load Balancer",
    "sqs": "SQS, two messages",
    "sns": "SNS, a notification",
    "s3": "S3, an object was put",
    "s3-delete": "S3, an object was deleted",
    "dynamodb": "DynamoDB stream: insert, modify, remove",
    "kinesis": "Kinesis data stream",
    "firehose": "Data Firehose, a transformation",
    "kafka": "MSK or another Kafka",
    "mq": "Amazon MQ for ActiveMQ",
    "eventbridge": "EventBridge, an event of one's own",
    "schedule": "EventBridge, a schedule",
    "cloudwatch-logs": "CloudWatch Logs subscription",
    "cognito": "Cognito user pool, before a sign-up",
    "cognito-sync": "Cognito Sync, a dataset changes",
    "ses": "SES, a received mail",
    "cloudformation": "CloudFormation, a custom resource is created",
}

_FOLDER: Final = Path(__file__).parent / "templates"


class UnknownTemplateError(LookupError):
    """There is no such template; the message names those there are."""


def event(name: str) -> Any:
    """Return a template's event, as JSON is in Python. Raises UnknownTemplateError."""
    if name not in TITLES:
        raise UnknownTemplateError(f"there is no event template {name!r}; {_advice(name)}")
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _advice(name: str) -> str:
    import difflib  # noqa: PLC0415 - for a word that was mistyped

    if near := difflib.get_close_matches(name, TITLES, n=1):
        return f"did you mean {near[0]!r}? `snapboot events` lists all"
    return f"choose one of {', '.join(TITLES)}"
