"""The SAM CLI, whole, as the tool that judges and builds our SAM templates.

(`oracles.emulator` takes two files out of the same wheel and installs nothing.)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from oracles import cache
from oracles.emulator import SAM_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# With PYTHONPATH set to `folder()`, and `ENVIRONMENT`.
COMMAND: Final = (sys.executable, "-m", "samcli")
ENVIRONMENT: Final[Mapping[str, str]] = {
    "SAM_CLI_TELEMETRY": "0",
    "SAMCLI_CHECK_FOR_UPDATES": "0",
    "AWS_DEFAULT_REGION": "us-east-1",  # templates are judged for a region; nothing is called there
}


def folder() -> Path:
    """Return the folder that serves as PYTHONPATH for `COMMAND`; install it at first need.

    Raises OracleUnavailable.
    """
    name = f"aws-sam-cli-{SAM_VERSION}-installed-{sys.implementation.cache_tag}"
    return cache.entry(name, _install)


def _install(target: Path) -> None:
    requirement = f"aws-sam-cli=={SAM_VERSION}"
    cache.pip(sys.executable, ["install", "--target", str(target), requirement])
