"""boto3 and what it needs, as a function has them in its folder: without most services' data."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3")
# What makes a client need neither a network nor a file of the user's.
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "example",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "HOME": "/nonexistent",
}


def installed(package: str) -> Path:
    """Return the folder, or the file, of a package of this interpreter."""
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.origin
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path


def place(root: Path, services: Iterable[str] = ("s3", "sqs", "dynamodb")) -> Path:
    """Put boto3 into a function's folder, with these services; return botocore's data folder."""
    kept = set(services)
    data = installed("botocore") / "data"

    def ignored(folder: str, names: list[str]) -> set[str]:
        others = {"__pycache__"}
        if Path(folder) == data:
            others |= {name for name in names if (data / name).is_dir() and name not in kept}
        return others.intersection(names)

    for package in PACKAGES:
        shutil.copytree(installed(package), root / package, ignore=ignored)
    shutil.copy(installed("six"), root)
    return root / "botocore/data"
