"""What `snapboot start` says once it serves: where, and how to invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host import FunctionConfig


def greeting(address: str, functions: Mapping[str, FunctionConfig]) -> str:
    """Return the lines for a host at `address` (`host:port`) with these functions."""
    url = f"http://{address}"
    name, width = next(iter(functions)), max(map(len, functions))
    port = address.rpartition(":")[2]
    rows = [
        f"  {one:{width}}  {config.handler or 'bootstrap'}  "
        f"http://{one}.lambda-url.localhost:{port}/"
        for one, config in functions.items()
    ]
    client = "aws lambda invoke --no-sign-request --region us-east-1"
    # Without any of these boto3 looks for them, and refuses to do anything when there are none.
    boto3 = '"us-east-1", aws_access_key_id="-", aws_secret_access_key="-"'
    lines = [
        f"Serving at {url}, until Ctrl-C:",
        *rows,
        f"To invoke {name}:",
        f"  curl {url}{protocol.FUNCTIONS}{name}/invocations -d '{{}}'",
        f"  {client} --endpoint-url {url} --function-name {name} /dev/stdout",
        f'  boto3.client("lambda", {boto3}, endpoint_url="{url}").invoke(FunctionName="{name}")',
    ]
    return "".join(f"{line}\n" for line in lines)
