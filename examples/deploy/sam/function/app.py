"""The function that these templates deploy: put your own in its place."""

import json


def handler(event, context):
    """Answer one request of a function URL (payload format 2.0)."""
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": f"Hello, {name}!"}),
    }
