"""Error reporters and tracers as people install them, each in a folder of its own."""

from __future__ import annotations

import functools
import hashlib
import sys
from typing import TYPE_CHECKING, Final

from oracles import cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REQUIREMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "sentry": ("sentry-sdk==2.75.0",),
    "honeybadger": ("honeybadger==1.3.0",),
    "datadog": ("datadog-lambda==8.130.0",),
    "newrelic": ("newrelic==14.1.0",),
    "opentelemetry": (
        "opentelemetry-distro==0.66b1",
        "opentelemetry-instrumentation-aws-lambda==0.66b1",
        "opentelemetry-exporter-otlp-proto-http==1.45.1",
    ),
    "xray": ("aws-xray-sdk==2.15.0",),
    "lumigo": ("lumigo_tracer==1.1.257",),
    "durable": ("aws-durable-execution-sdk-python==3.0.0",),
    "uvloop": ("uvloop==0.23.0",),
    "powertools": ("aws-lambda-powertools[tracer]==3.37.0",),
}


def folder(name: str) -> Path:
    """Return the folder of one of them, for a function's code; install it at first need.

    Raises OracleUnavailable.
    """
    return installed(f"tool-{name}", REQUIREMENTS[name])


def installed(name: str, wanted: tuple[str, ...]) -> Path:
    """Return a folder of the cache that packages are installed in. Raises OracleUnavailable."""
    digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:8]
    tag = sys.implementation.cache_tag
    return cache.entry(f"{name}-{digest}-{tag}", functools.partial(_install, wanted))


def _install(wanted: tuple[str, ...], target: Path) -> None:
    options = ["--prefer-binary", "--no-compile", "--target", str(target)]
    cache.pip(sys.executable, ["install", "--quiet", *options, *wanted])
