"""AWS's Runtime Interface Emulator, and event samples, out of the wheel of aws-sam-cli.

The package itself is never installed: its wheel is a zip that carries both.
"""

from __future__ import annotations

import platform
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from oracles import cache

if TYPE_CHECKING:
    from collections.abc import Mapping

SAM_VERSION: Final = "1.170.0"

# machine as the kernel calls it -> as the wheel calls it
ARCHITECTURES: Final[Mapping[str, str]] = {
    "x86_64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
}
_BINARIES: Final = PurePosixPath("samcli/local/rapid")
_EVENTS: Final = PurePosixPath("samcli/lib/generated_sample_events/events")


def binary() -> Path:
    """Return the emulator's executable for this machine. Raises OracleUnavailable."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ARCHITECTURES:
        message = (
            f"the emulator runs on Linux on {', '.join(ARCHITECTURES)} only, and this is "
            f"{sys.platform!r} on {machine!r}. Run these tests in a Linux container"
        )
        raise cache.OracleUnavailable(message)
    return _contents() / f"aws-lambda-rie-{ARCHITECTURES[machine]}"


def event_samples() -> dict[str, str]:
    """Return name (`s3/S3Put`) → JSON text of each sample event, `{{{placeholders}}}` as they are.

    Raises OracleUnavailable.
    """
    events = _contents() / "events"
    return {
        path.relative_to(events).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(events.rglob("*.json"))
    }


def _contents() -> Path:
    return cache.entry(f"aws-sam-cli-{SAM_VERSION}", _extract)


def _extract(target: Path) -> None:
    wheel = _download(target / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            inner = _wanted(PurePosixPath(name))
            if inner is not None:
                destination = target / inner
                destination.parent.mkdir(parents=True, exist_ok=True)
                destination.write_bytes(archive.read(name))
    for executable in target.glob("aws-lambda-rie-*"):
        executable.chmod(0o755)
    wheel.unlink()
    wheel.parent.rmdir()


def _download(folder: Path) -> Path:
    requirement = f"aws-sam-cli=={SAM_VERSION}"
    cache.pip(sys.executable, ["download", "--no-deps", "--dest", str(folder), requirement])
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        message = (
            f"the package index gave {[path.name for path in folder.iterdir()]!r} for "
            f"{requirement!r}, where a wheel was wanted. Use an index that carries the wheel"
        )
        raise cache.OracleUnavailable(message)
    return wheels[0]


def _wanted(name: PurePosixPath) -> PurePosixPath | None:
    if name.is_relative_to(_EVENTS) and name.suffix == ".json":
        return "events" / name.relative_to(_EVENTS)
    if name.parent == _BINARIES and name.name.startswith("aws-lambda-rie-"):
        return PurePosixPath(name.name)
    return None
