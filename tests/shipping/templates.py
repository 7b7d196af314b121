"""The templates of examples/deploy, and the tools that judge them, run to their end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "examples" / "deploy"
CLOUDFORMATION: Final = sorted((DEPLOY / "cloudformation").glob("*.yaml"))
SAM: Final = sorted((DEPLOY / "sam").glob("*.yaml"))
TERRAFORM: Final = sorted((DEPLOY / "terraform").glob("*/main.tf"))
VARIANTS: Final = ("zip", "layer", "image", "managed-instances", "managed-runtime")
CFN_LINT: Final = (sys.executable, "-c", "from cfnlint.runner import main; main()")
TOOL_DEADLINE_S: Final = 300


def named(path: Path) -> str:
    """Return a template's name: sam/layer.yaml."""
    return path.relative_to(DEPLOY).as_posix()


def run(
    command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool with a home of its own, so that it finds no settings and leaves none."""
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=TOOL_DEADLINE_S,
        check=False,
    )


def lint(*paths: Path, ignoring: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint: informational remarks are remarks, too."""
    ignored = [word for rule in ignoring for word in ("--ignore-checks", rule)]
    return run([*CFN_LINT, "--include-checks", "I", *ignored, "--template", *paths], cwd=ROOT)
