"""Who is invoked, and the ids an invocation carries."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Identity:
    """A function's name as callers and the function itself see it."""

    name: str
    version: str = "$LATEST"
    region: str = "us-east-1"
    account: str = "012345678912"

    @property
    def arn(self) -> str:
        """The function's ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


class Tracing:
    """The source of request ids and of X-Ray headers for callers that send none."""

    def new_request_id(self) -> str:
        """Return a fresh request id."""
        return str(uuid4())

    def new_trace_id(self) -> str:
        """Return a fresh X-Ray header of a trace that is not sampled."""
        root = f"{int(time.time()):08x}-{secrets.token_hex(12)}"
        return f"Root=1-{root};Parent={secrets.token_hex(8)};Sampled=0"
