"""Functions that import what people import, each packaged in the ways that are compared.

A package has a folder of its own for each state of its bytecode; what else is in the folders
is the same. No start writes bytecode, as on Lambda, where a function's folder is read-only.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bytecode import COMPILE_DEADLINE_S, compile_folder, make_stale
from benchmarks.contenders import (
    NO_BYTECODE,
    OURS,
    ROOT,
    THEIRS,
    THEIRS_UNPOOLED,
    environment,
)
from benchmarks.endpoints import ContenderError
from benchmarks.samples import NOTHING
from oracles import cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.machine import Interpreter

IN_TARGET: Final = ROOT / "devkit" / "snapboot_devkit" / "package" / "in_target"
HANDLER: Final = "app.handler"
LAZY_FROM: Final = (3, 15)
# What the platform sets: a client looks no further for them.
VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "example",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Function:
    """A function: what it does at its import, which packages it needs for that, its handler."""

    name: str
    init: str = ""
    requirements: tuple[str, ...] = ()
    handles: str = "def handler(event, context):\n    return event"
    event: str = "{}"  # JSON that the handler takes: what guides its lazy imports

    @property
    def source(self) -> str:
        """The text of its `app.py`."""
        return f"{self.init}\n\n{self.handles}\n"

    @property
    def slug(self) -> str:
        """A folder's name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


BOTO3 = ("boto3==1.44.5",)
EMPTY = Function(NOTHING)
IMPORT = Function("import boto3", "import boto3", BOTO3)
CLIENT = Function("an S3 client of boto3", 'import boto3\n\ns3 = boto3.client("s3")', BOTO3)
CLIENTS = Function(
    "four clients of boto3",
    'import boto3\n\nmade = [boto3.client(name) for name in ("s3", "dynamodb", "sqs", "lambda")]',
    BOTO3,
)
POWERTOOLS = Function(
    "Powertools",
    "from aws_lambda_powertools import Logger\n"
    "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver\n\n"
    "logger = Logger()\napp = APIGatewayHttpResolver()",
    ("aws-lambda-powertools==3.37.0",),
)
FASTAPI = Function(
    "FastAPI and Mangum",
    "from fastapi import FastAPI\nfrom mangum import Mangum\n\n"
    'app = FastAPI()\n\n\n@app.get("/")\ndef root() -> dict[str, str]:\n    return {}\n\n\n'
    "serve = Mangum(app)",
    ("fastapi==0.165.0", "mangum==0.22.0"),
)
PANDAS = Function("pandas", "import pandas", ("pandas==3.1.1",))
# What the layer of OpenTelemetry does at the start of a function: a tracer that exports, and the
# instrumentation of clients of AWS.
TELEMETRY = Function(
    "OpenTelemetry",
    "from opentelemetry import trace\n"
    "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
    "from opentelemetry.instrumentation.botocore import BotocoreInstrumentor\n"
    "from opentelemetry.sdk.trace import TracerProvider\n"
    "from opentelemetry.sdk.trace.export import BatchSpanProcessor\n\n"
    "provider = TracerProvider()\n"
    "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))\n"
    "trace.set_tracer_provider(provider)\n"
    "BotocoreInstrumentor().instrument()\n"
    "tracer = trace.get_tracer(__name__)",
    (
        "opentelemetry-sdk==1.45.2",
        "opentelemetry-exporter-otlp-proto-http==1.45.2",
        "opentelemetry-instrumentation-botocore==0.66b2",
        *BOTO3,
    ),
)
DURABLE = Function(
    "the durable SDK",
    "from aws_durable_execution_sdk_python import DurableContext, durable_execution",
    ("aws-durable-execution-sdk-python==3.0.0",),
    "@durable_execution\ndef handler(event, context: DurableContext):\n    return event",
)
POWERTOOLS_EVENTS = Function(
    "Powertools' event handler, validating",
    "from aws_lambda_powertools import Logger, Tracer\n"
    "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver\n"
    "from pydantic import BaseModel\n\n\n"
    "class Order(BaseModel):\n    number: int\n\n\n"
    "logger = Logger()\ntracer = Tracer()\n"
    "app = APIGatewayHttpResolver(enable_validation=True)\n\n\n"
    '@app.post("/orders")\ndef order(order: Order) -> Order:\n    return order',
    ("aws-lambda-powertools[tracer,parser]==3.37.0",),
    "def handler(event, context):\n    return app.resolve(event, context)",
    # The parts of API Gateway's payload 2.0 that the resolver reads; it takes no event without.
    '{"version": "2.0", "rawPath": "/orders", "rawQueryString": "",'
    ' "headers": {"content-type": "application/json"}, "body": "{\\"number\\": 1}",'
    ' "isBase64Encoded": false, "requestContext": {"stage": "$default",'
    ' "http": {"method": "POST", "path": "/orders"}}}',
)
ANTHROPIC = Function(
    "anthropic",
    'from anthropic import Anthropic\n\nclient = Anthropic(api_key="example")',
    ("anthropic==2.14.0",),
)
OPENAI = Function(
    "openai",
    'from openai import OpenAI\n\nclient = OpenAI(api_key="example")',
    ("openai==3.57.0",),
)
LIBRARIES = (TELEMETRY, DURABLE, POWERTOOLS_EVENTS, ANTHROPIC, OPENAI)


class Bytecode(Enum):
    """What of it a package has."""

    ARCHIVE = "archive"  # `snapboot package`: never to be checked, and in a module archive
    GUIDED = "guided"  # the same with `--lazy guided`, by its event
    TRUE = "true"  # never to be checked
    STALE = "stale"  # of sources of another time: read, and compiled again
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Packaging:
    """A way to package a function, and the runtime it is run by."""

    name: str
    runtime: str
    bytecode: Bytecode
    variables: Mapping[str, str] = field(default_factory=dict)
    lazy: bool = False


FILES: Final = f"{OURS}, no archive"
COLLECTING: Final = f"{OURS}, collector at work"
LAZY: Final = f"{OURS}, lazy imports"
GUIDED: Final = f"{OURS}, guided lazy imports"
THEIRS_LAZY: Final = f"{THEIRS}, lazy imports"
STALE: Final = f"{THEIRS}, stale bytecode"
UNCOMPILED: Final = f"{THEIRS}, no bytecode"

PACKAGINGS: Final = (
    Packaging(OURS, OURS, Bytecode.ARCHIVE),
    Packaging(FILES, OURS, Bytecode.TRUE),
    Packaging(COLLECTING, OURS, Bytecode.ARCHIVE, {"SNAPBOOT_GC": "default"}),
    Packaging(LAZY, OURS, Bytecode.ARCHIVE, {"SNAPBOOT_LAZY_IMPORTS": "all"}, lazy=True),
    Packaging(GUIDED, OURS, Bytecode.GUIDED),
    Packaging(THEIRS, THEIRS, Bytecode.TRUE),
    # What can be set with any runtime.
    Packaging(THEIRS_LAZY, THEIRS, Bytecode.TRUE, {"PYTHON_LAZY_IMPORTS": "all"}, lazy=True),
    Packaging(THEIRS_UNPOOLED, THEIRS_UNPOOLED, Bytecode.TRUE),
    Packaging(STALE, THEIRS, Bytecode.STALE),
    Packaging(UNCOMPILED, THEIRS, Bytecode.NONE),
)


@dataclass(frozen=True, slots=True)
class Package:
    """A function, packaged in a folder, and who runs it."""

    function: Function
    contender: Contender
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """What is added to what the platform sets."""
        return {**VARIABLES, "LAMBDA_TASK_ROOT": str(self.folder)}


def packagings(bench: Bench) -> tuple[Contender, ...]:
    """Return the ways that are compared, as contenders: those whose runtime this bench has."""
    return tuple(
        replace(
            contender,
            name=packaging.name,
            environment={**contender.environment, **packaging.variables},
        )
        for packaging, contender in _paired(bench)
    )


def _paired(bench: Bench) -> Iterator[tuple[Packaging, Contender]]:
    staged = {contender.name: contender for contender in bench.contenders}
    version = tuple(map(int, bench.interpreter.feature_version.split(".")))
    for packaging in PACKAGINGS:
        if packaging.runtime in staged and (version >= LAZY_FROM or not packaging.lazy):
            yield packaging, staged[packaging.runtime]


def package(bench: Bench, function: Function, contender: Contender) -> Package:
    """Package a function as a contender has it, unless that is done. Raises `ContenderError`."""
    bytecode = next(one.bytecode for one in PACKAGINGS if one.name == contender.name)
    folder = bench.scratch / "packages" / function.slug / bytecode.value
    if not folder.exists():
        FILLS[bytecode](bench, function, folder)
    return Package(function, contender, folder)


def _fill_without(bench: Bench, function: Function, folder: Path) -> None:
    source = installed(bench.interpreter, function)
    shutil.copytree(source, folder, ignore=NO_BYTECODE, copy_function=_linked)
    (folder / "app.py").write_text(function.source, encoding="utf-8")


def _linked(source: str, target: str) -> str:
    """Link a file, which no one writes into, or copy it into another file system."""
    try:
        os.link(source, target)
    except OSError:
        return shutil.copy2(source, target)
    return target


def _linked_but_for_bytecode(source: str, target: str) -> str:
    return (shutil.copy2 if source.endswith(".pyc") else _linked)(source, target)


def _fill_true(bench: Bench, function: Function, folder: Path) -> None:
    _fill_without(bench, function, folder)
    compile_folder(bench.interpreter.path, folder)


def _fill_stale(bench: Bench, function: Function, folder: Path) -> None:
    true = folder.with_name(Bytecode.TRUE.value)
    if not true.exists():
        _fill_true(bench, function, true)
    shutil.copytree(true, folder, copy_function=_linked_but_for_bytecode)
    make_stale(folder)


def _fill_guided(bench: Bench, function: Function, folder: Path) -> None:
    _fill_archive(bench, function, folder, "--lazy", "guided", "--event", function.event)


def _fill_archive(bench: Bench, function: Function, folder: Path, *options: str) -> None:
    """Do what `snapboot package` does, with paths as they are here and not as on Lambda."""
    _fill_true(bench, function, folder)
    runtime = next(one for one in bench.contenders if one.name == OURS)
    done = subprocess.run(
        [
            *(bench.interpreter.path, "-SsP", IN_TARGET, "seal", folder, "--handler", HANDLER),
            *("--runtime", Path(runtime.command[0]).parent, "--as", folder),
            *options,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=COMPILE_DEADLINE_S,
        env=environment(folder, HANDLER, bench.interpreter) | VARIABLES,
    )
    if done.returncode:
        raise ContenderError(f"could not be sealed: {done.stdout or done.stderr!r}")


FILLS: Final = {
    Bytecode.ARCHIVE: _fill_archive,
    Bytecode.GUIDED: _fill_guided,
    Bytecode.TRUE: _fill_true,
    Bytecode.STALE: _fill_stale,
    Bytecode.NONE: _fill_without,
}


def installed(interpreter: Interpreter, function: Function) -> Path:
    """Return a folder of the packages that a function needs, installed once."""
    named = "-".join(function.requirements).replace("==", "-") or "nothing"
    install = functools.partial(_install, interpreter, function.requirements)
    return cache.entry(f"packages-{named}-{interpreter.version}", install)


def _install(interpreter: Interpreter, requirements: tuple[str, ...], folder: Path) -> None:
    if not requirements:
        return
    options = ("--quiet", "--no-compile", "--only-binary", ":all:", "--target", str(folder))
    cache.pip(interpreter.with_pip, ["install", *options, *requirements])
