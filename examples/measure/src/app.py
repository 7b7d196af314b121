"""What is measured: boto3 with a client, as many functions have it. Put your own in its place."""

import boto3

CLIENT = boto3.client("s3")


def handler(event, context):
    return {"region": CLIENT.meta.region_name}
