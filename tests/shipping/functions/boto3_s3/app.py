"""What people write first: a client, made at init, and one signed request."""

import boto3
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config

s3 = boto3.client("s3", config=Config(signature_version="s3v4"))


def handler(event, context):
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": event["bucket"], "Key": event["key"]}, ExpiresIn=60
    )
    return {"url": url.partition("?")[0], "item": TypeSerializer().serialize(event)}
