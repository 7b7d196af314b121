"""Greets the caller, behind an API Gateway HTTP API or a function URL."""

import json
import logging

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


def handler(event, context):
    """Answer one HTTP request (payload format 2.0)."""
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    logger.info("greeting %s", name)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": f"Hello, {name}!", "requestId": context.aws_request_id}),
    }
