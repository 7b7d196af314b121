"""What `snapboot package` says once it is done: what was made, how large, and what to do next."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package import layout
from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.checks.finding import counted
from snapboot_devkit.package.layout import Form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snapboot_devkit.package.audit import Finding
    from snapboot_devkit.package.request import Imports, Made, Packaged, PackageRequest

# Names that stand for what only the user knows.
_FUNCTION: Final = "NAME"
_ROLE: Final = "ROLE_ARN"
_BUCKET: Final = "BUCKET"
_LAYER: Final = "LAYER_VERSION_ARN"
# How many of many are named.
_NAMED: Final = 5


def lines(packaged: Packaged, request: PackageRequest) -> Iterator[str]:
    """Yield the report for people."""
    yield from (_file(made, request) for made in packaged.made)
    yield from _rows(packaged)
    yield "next:"
    yield from (f"  {command}" for command in commands(packaged, request))


def document(
    packaged: Packaged, request: PackageRequest, findings: Iterable[Finding]
) -> dict[str, Any]:
    """Return the report for machines.

    {"form", "python", "architecture", "files": [{"path", "zipBytes" (null for a folder),
    "sizeBytes"}], "sizeBytes", "limitBytes", "interpreter" (or null), "archiveModules" (or null),
    "sizes": {package: bytes}, "stripped": [text], "warnings": [text],
    "lazyImports": {module: [names]}, "eagerImports": {module: [names: reason]} (null for both
    without --lazy guided),
    "findings": [{"code", "severity", "path", "message", "remedy"}], "next": [command]}
    """
    return {
        "form": request.form.value,
        "python": packaged.target.version,
        "architecture": packaged.target.architecture.value,
        "files": [
            {
                "path": str(made.path),
                "zipBytes": made.packed,
                "sizeBytes": made.unpacked,
            }
            for made in packaged.made
        ],
        "sizeBytes": packaged.unpacked,
        "limitBytes": packaged.limit,
        "interpreter": packaged.interpreter,
        "archiveModules": packaged.modules,
        "sizes": dict(packaged.parts),
        "stripped": list(packaged.savings),
        "lazyImports": packaged.imports and dict(packaged.imports.lazy),
        "eagerImports": packaged.imports and dict(packaged.imports.eager),
        "warnings": list(packaged.warnings),
        "findings": [_finding(one) for one in findings],
        "next": list(commands(packaged, request)),
    }


def json_bytes(content: dict[str, Any]) -> bytes:
    """Return a report as JSON."""
    return json.dumps(content).encode()


def commands(packaged: Packaged, request: PackageRequest) -> Iterator[str]:
    """Yield the commands that deploy it, with names in capitals for what only the user knows."""
    files = {made.path.name: made for made in packaged.made}
    if request.form is Form.IMAGE:
        folder = shlex.quote(str(files[layout.IMAGE_FOLDER].path))
        platform = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[request.architecture]
        yield f"docker build --provenance=false --platform {platform} -t {_FUNCTION} {folder}"
        return
    if made := files.get(layout.LAYER_ZIP):
        yield from _upload(made)
        yield (
            f"aws lambda publish-layer-version --layer-name snapboot {_content(made)} "
            f"--compatible-runtimes provided.al2023 --compatible-architectures "
            f"{request.architecture}"
        )
    made = files[layout.FUNCTION_ZIP]
    yield from _upload(made)
    layers = f" --layers {_LAYER}" if _needs_layer(request) else ""
    runtime = f"python{packaged.target.version}" if request.managed else "provided.al2023"
    yield (
        f"aws lambda create-function --function-name {_FUNCTION} --role {_ROLE} --runtime "
        f"{runtime} --architectures {request.architecture} --handler "
        f"{shlex.quote(request.handler)} {_code(made)}{layers}"
    )


def _needs_layer(request: PackageRequest) -> bool:
    return request.form is Form.LAYER or not (request.with_interpreter or request.managed)


def _upload(made: Made) -> Iterator[str]:
    if _is_large(made):
        yield f"aws s3 cp {shlex.quote(str(made.path))} s3://{_BUCKET}/{made.path.name}"


def _content(made: Made) -> str:
    if _is_large(made):
        return f"--content S3Bucket={_BUCKET},S3Key={made.path.name}"
    return f"--zip-file fileb://{shlex.quote(str(made.path))}"


def _code(made: Made) -> str:
    if _is_large(made):
        return f"--code S3Bucket={_BUCKET},S3Key={made.path.name}"
    return f"--zip-file fileb://{shlex.quote(str(made.path))}"


def _is_large(made: Made) -> bool:
    return (made.packed or 0) > provided.MAX_UPLOAD_BYTES


def _file(made: Made, request: PackageRequest) -> str:
    if made.packed is None:
        return f"{made.path}/  {sizes.megabytes(made.unpacked)}, to be built by {request.form}"
    note = f", above {sizes.megabytes(provided.MAX_UPLOAD_BYTES)}: by S3" if _is_large(made) else ""
    return (
        f"{made.path}  {sizes.megabytes(made.packed)}{note}, "
        f"{sizes.megabytes(made.unpacked)} unpacked"
    )


def _rows(packaged: Packaged) -> Iterator[str]:
    share = f"{packaged.on_lambda / packaged.limit:.0%}"
    yield f"unpacked     {share} of the {sizes.megabytes(packaged.limit)} that Lambda takes"
    yield f"target       {packaged.target}"
    if packaged.interpreter:
        yield f"interpreter  {packaged.interpreter}"
    if packaged.modules is not None:
        yield f"archive      {counted(packaged.modules, 'module')}"
    if packaged.imports:
        yield from _imports(packaged.imports)
    for saving in packaged.savings:
        yield f"stripped     {saving}"
    yield f"largest      {sizes.largest(packaged.parts)}"


def _imports(imports: Imports) -> Iterator[str]:
    late = [f"{name} ({', '.join(texts)})" for name, texts in sorted(imports.lazy.items())]
    count = sum(map(len, imports.lazy.values()))
    more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
    named = f": {', '.join(late[:_NAMED])}{more}" if late else ""
    yield f"lazy         {count} imports in {len(late)} modules wait for their first use{named}"
    reasons = Counter(text.rpartition(": ")[2] for each in imports.eager.values() for text in each)
    for reason, times in reasons.most_common(_NAMED):
        yield f"eager        {times} imports: {reason}"
    if imports.eager:
        yield "eager        each of them, with its reason: --json"


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity.value,
        "path": one.path,
        "message": one.message,
        "remedy": one.remedy,
    }
