"""What Terraform's AWS provider takes: its schema, as far as it can be had without a registry.

`terraform validate` needs the provider itself, a program that only Terraform's own registry has.
The bindings that CDK Terrain makes from the provider's schema are on npm, and name all of it.
"""

from __future__ import annotations

import re
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oracles import cache, npm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BINDINGS: Final = "@cdktn/provider-aws@25.7.0"
PROVIDER_VERSION: Final = "6.66.0"  # the one that these bindings are made from
HCL_VERSION: Final = "8.1.4"

# One function of the bindings for each block of a resource, and a method for the resource itself.
_BLOCK: Final = re.compile(
    r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}\n", re.DOTALL | re.MULTILINE
)
_RESOURCE: Final = re.compile(
    r"^    synthesizeHclAttributes\(\) \{\n(.*?)^    \}\n", re.DOTALL | re.MULTILINE
)
_FIELD: Final = re.compile(r"^ +(\w+): \{\n +value: (.+),\n", re.MULTILINE)
_NESTED: Final = re.compile(r"(\w+)ToHclTerraform(?:, (true|false)\))?")


@dataclass(frozen=True, slots=True)
class Field:
    """One name of a resource; `fields` is what a block, or an object in a list, holds."""

    is_block: bool
    fields: Mapping[str, Field]


def fields(resource: str) -> Mapping[str, Field]:
    """Return what the resource `aws_…` takes, name by name. Raises OracleUnavailable."""
    folder = cache.entry(f"terraform-provider-aws-{PROVIDER_VERSION}", _fetch)
    name = resource.removeprefix("aws_").replace("_", "-")
    return parse((folder / name / "index.js").read_text(encoding="utf-8"))


def parse(bindings: str) -> Mapping[str, Field]:
    """Return what the resource takes whose bindings (JavaScript) these are. Raises ValueError."""
    resource = _RESOURCE.search(bindings)
    if resource is None:
        raise ValueError(f"{BINDINGS!r} names the fields of a resource otherwise: read it again")
    return _fields(resource[1], dict(_BLOCK.findall(bindings)))


def parser() -> Path:
    """Return the folder that serves as PYTHONPATH for `import hcl2`; install it at first need.

    Raises OracleUnavailable.
    """
    return cache.entry(f"python-hcl2-{HCL_VERSION}", _install_parser)


def _fields(body: str, bodies: Mapping[str, str]) -> dict[str, Field]:
    found = {}
    for name, value in _FIELD.findall(body):
        nested = _NESTED.search(value)
        inner = bodies.get(nested[1]) if nested else None
        if nested is None or inner is None:
            found[name] = Field(is_block=False, fields={})
        else:
            found[name] = Field(is_block=nested[2] != "false", fields=_fields(inner, bodies))
    return found


def _fetch(target: Path) -> None:
    tarball = npm.pack(target, BINDINGS)
    with tarfile.open(tarball) as archive:
        for member in archive:
            parts = member.name.split("/")
            if parts[:2] == ["package", "lib"] and parts[3:] == ["index.js"]:
                content = archive.extractfile(member)
                if content is not None and _wanted(parts[2]):
                    (target / parts[2]).mkdir()
                    (target / parts[2] / "index.js").write_bytes(content.read())
    tarball.unlink()


def _wanted(name: str) -> bool:
    return name.startswith(("lambda-", "iam-role", "cloudwatch-log-group"))


def _install_parser(target: Path) -> None:
    requirement = f"python-hcl2=={HCL_VERSION}"
    cache.pip(sys.executable, ["install", "--target", str(target), requirement])
