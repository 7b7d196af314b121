"""AWS's CDK, its library from PyPI and its command from npm, as the tool that makes templates."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final

from oracles import cache, npm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIBRARY_VERSION: Final = "2.275.0"
# Not the 3.0.0 that npm has: that one knows older assemblies only.
COMMAND_VERSION: Final = "2.1148.1"

ENVIRONMENT: Final[Mapping[str, str]] = {
    "CDK_DISABLE_CLI_TELEMETRY": "1",
    "CDK_DISABLE_VERSION_CHECK": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
}
OPTIONS: Final = ("--no-notices", "--no-version-reporting")


def library() -> Path:
    """Return the folder that serves as PYTHONPATH of an app; install it at first need.

    Raises OracleUnavailable.
    """
    tag = sys.implementation.cache_tag
    return cache.entry(f"aws-cdk-lib-{LIBRARY_VERSION}-{tag}", _install_library)


def command() -> list[str]:
    """Return the command, with the options that keep it quiet; install it at first need.

    Raises OracleUnavailable.
    """
    node = shutil.which("node")
    if node is None:
        raise cache.OracleUnavailable("no node on the PATH: install Node.js, which runs the CDK")
    folder = cache.entry(f"aws-cdk-{COMMAND_VERSION}", _install_command)
    return [node, str(folder / "node_modules" / "aws-cdk" / "bin" / "cdk"), *OPTIONS]


def _install_library(target: Path) -> None:
    requirement = f"aws-cdk-lib=={LIBRARY_VERSION}"
    cache.pip(sys.executable, ["install", "--target", str(target), requirement])


def _install_command(target: Path) -> None:
    npm.install(target, f"aws-cdk@{COMMAND_VERSION}")
