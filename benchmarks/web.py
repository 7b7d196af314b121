"""A FastAPI hello-world, served in the ways that people serve one on Lambda.

In process by `snapboot.asgi`; in process by Mangum, under AWS's client, as AWS's
images run it and in an own one; and by uvicorn, behind a
proxy that stands in for the Lambda Web Adapter (see `web_proxy.py`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import (
    EXECUTION_ENV,
    OURS,
    THEIRS,
    THEIRS_UNPOOLED,
    Contender,
    our_version,
)
from benchmarks.packages import FILLS, VARIABLES, Bytecode, Function
from oracles import awslambdaric
from snapboot_devkit.events import templates

if TYPE_CHECKING:
    from benchmarks.bench import Bench

SERVED: Final = "snapboot.asgi"
MANGUM: Final = "Mangum, awslambdaric"
MANGUM_OWN: Final = "Mangum, awslambdaric, own image"
PROXIED: Final = "uvicorn, proxy"
PROXY: Final = Path(__file__).with_name("web_proxy.py")
BODY: Final = '{"message":"hello"}'
REQUIREMENTS: Final = ("fastapi==0.165.0", "mangum==0.22.0", "uvicorn==0.54.0")
APP: Final = (
    "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
    '@app.get("/hello")\nasync def hello() -> dict[str, str]:\n    return {"message": "hello"}\n'
)
RUNTIMES: Final = {SERVED: OURS, MANGUM: THEIRS, MANGUM_OWN: THEIRS_UNPOOLED}
UVICORN: Final = ("-m", "uvicorn", "app:app", "--port", "PORT", "--log-level", "warning")
FUNCTIONS: Final = {
    SERVED: Function(SERVED, APP, REQUIREMENTS, "import snapboot\n\nhandler = snapboot.asgi(app)"),
    MANGUM: Function(
        MANGUM, APP, REQUIREMENTS, "from mangum import Mangum\n\nhandler = Mangum(app)"
    ),
    MANGUM_OWN: Function(
        MANGUM_OWN, APP, REQUIREMENTS, "from mangum import Mangum\n\nhandler = Mangum(app)"
    ),
    PROXIED: Function(PROXIED, APP, REQUIREMENTS, ""),
}


def servers(_bench: Bench) -> tuple[Contender, ...]:
    """Return who is compared, before anything is laid out."""
    return (
        Contender(SERVED, our_version(), "bootstrap", ()),
        Contender(MANGUM, "0.22.0", f"python -m awslambdaric {awslambdaric.VERSION}", ()),
        Contender(
            *(MANGUM_OWN, "0.22.0"),
            f"env -u {EXECUTION_ENV} python -m awslambdaric {awslambdaric.VERSION}",
            (),
        ),
        Contender(PROXIED, "0.54.0", f"python {' '.join(UVICORN)}", ()),
    )


def stage(bench: Bench) -> dict[Contender, Path]:
    """Lay out the function of each, and return the contenders with the folders of theirs."""
    staged = {contender.name: contender for contender in bench.contenders}
    found = {}
    for server in servers(bench):
        function = FUNCTIONS[server.name]
        folder = bench.scratch / "web" / function.slug
        if not folder.exists():
            FILLS[Bytecode.ARCHIVE if server.name == SERVED else Bytecode.TRUE](
                bench, function, folder
            )
        if server.name == PROXIED:
            python = str(bench.interpreter.path)
            command: tuple[str, ...] = (python, "-SsP", str(PROXY), python, *UVICORN)
            environment: dict[str, str | None] = {"PYTHONPATH": str(folder)}
        else:
            runtime = staged[RUNTIMES[server.name]]
            command, environment = runtime.command, dict(runtime.environment)
        environment |= {**VARIABLES, "LAMBDA_TASK_ROOT": str(folder)}
        found[replace(server, command=command, environment=environment)] = folder
    return found


def event() -> bytes:
    """Return a request to `/hello`, by a function URL."""
    found = templates.event("function-url")
    del found["body"], found["headers"]["content-length"], found["headers"]["content-type"]
    found["rawPath"] = found["requestContext"]["http"]["path"] = "/hello"
    found["requestContext"]["http"]["method"] = "GET"
    found["rawQueryString"] = ""
    return json.dumps(found).encode()
