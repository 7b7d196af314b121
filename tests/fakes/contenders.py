"""The two runtimes that the same tests can run: ours and Amazon's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles import awslambdaric

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parents[2]

# Under this name awslambdaric does what the managed runtime does: UTF-8 in its answers, and `next`
# in a thread. It knows the names from 3.12 on; on an older Python it would show old behaviour.
EXECUTION_ENV: Final = f"AWS_Lambda_python3.{max(sys.version_info.minor, 12)}"


@dataclass(frozen=True, slots=True)
class Contender:
    """A runtime: how a handler is started, and the variables that only this runtime needs.

    Both are looked up late: `environment` may fetch the runtime and raise OracleUnavailable.
    """

    name: str
    command: Callable[[str], list[str]]
    environment: Callable[[], dict[str, str]]

    def __repr__(self) -> str:
        """Name it."""
        return f"<Contender {self.name}>"


def function_environment(task_root: Path) -> dict[str, str]:
    """Return the variables that Lambda gives to a function, without the Runtime API's address."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "test_function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/test_function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
        "AWS_EXECUTION_ENV": EXECUTION_ENV,
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": str(ROOT / "runtime"),
        "PYTHONDONTWRITEBYTECODE": "1",
        # On 3.15 awslambdaric logs that AWS's managed runtime is a preview.
        "LAMBDA_DISABLE_PREVIEW_WARN": "1",
    }


OURS: Final = Contender(
    "snapboot",
    lambda handler: [sys.executable, "-SsP", str(ROOT / "bootstrap"), handler],
    dict,
)
AWSLAMBDARIC: Final = Contender(
    "awslambdaric",
    lambda handler: [*awslambdaric.command(), handler],
    lambda: {"PYTHONPATH": str(awslambdaric.folder())},
)
CONTENDERS: Final = (OURS, AWSLAMBDARIC)
