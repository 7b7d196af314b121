"""What `snapboot package --as wrapper-layer` prints."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from snapboot_devkit.cli import printing
from snapboot_devkit.host.streams import STDOUT, write_all
from snapboot_devkit.package.checks import sizes
from snapboot_devkit.package.outputs.wrapper_layer import VARIABLE
from snapboot_devkit.package.target import Architecture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.outputs.wrapper_layer import WrapperLayer


def show(layer: WrapperLayer, *, as_json: bool) -> None:
    """Print what was made, and what to do next."""
    if as_json:
        printing.document(json.dumps(_document(layer)).encode())
        return
    for text in layer.warnings:
        printing.complaint(f"warning: {text}")
    text = "".join(f"{line}\n" for line in _lines(layer))
    write_all(STDOUT, text.encode("utf-8", "backslashreplace"))


def _document(layer: WrapperLayer) -> dict[str, Any]:
    """Return the report for machines; `compiledBy` has null where there is no bytecode."""
    return {
        "form": "wrapper-layer",
        "files": [{"path": str(layer.path), "zipBytes": layer.packed, "sizeBytes": layer.unpacked}],
        "compiledBy": dict(layer.compiled_by),
        "variable": VARIABLE,
        "warnings": list(layer.warnings),
        "next": list(_next(layer)),
    }


def _lines(layer: WrapperLayer) -> Iterator[str]:
    packed, unpacked = map(sizes.megabytes, (layer.packed, layer.unpacked))
    yield f"{layer.path}  {packed}, {unpacked} unpacked"
    for words, has_bytecode in (("bytecode for", True), ("source only for", False)):
        versions = [
            version for version, by in layer.compiled_by.items() if (by is not None) is has_bytecode
        ]
        if versions:
            yield f"{words} CPython {', '.join(versions)}"
    yield "next:"
    yield from (f"  {line}" for line in _next(layer))


def _next(layer: WrapperLayer) -> Iterator[str]:
    runtimes = " ".join(f"python{version}" for version in layer.compiled_by)
    yield (
        f"aws lambda publish-layer-version --layer-name snapboot --zip-file "
        f"{shlex.quote(f'fileb://{layer.path}')} --compatible-runtimes {runtimes} "
        f"--compatible-architectures {' '.join(Architecture)}"
    )
    yield (
        "aws lambda update-function-configuration --function-name NAME --layers LAYER_VERSION_ARN "
        f"--environment 'Variables={{{VARIABLE}}}'"
    )
