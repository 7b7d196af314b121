"""A function whose modules are sealed into an archive, and looked at with and without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.fakes.contenders import OURS, ROOT, Contender
from tests.fakes.function import Function, Run
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IN_TARGET = ROOT / "devkit/snapboot_devkit/package/in_target"
ARCHIVE = "snapboot.modules"
LOADERS = {False: "SourceFileLoader", True: "ArchiveLoader"}

# What a scene looks at is in `app`; what is around it says where `app` itself came from.
SCENE = """
import app

def handler(event, context):
    return [type(app.__spec__.loader).__name__, app.look()]
"""


@dataclass
class Scene:
    """A function to be written, sealed, and looked at by its `app.look()`."""

    function: Function

    def look(self, source: str) -> None:
        self.function.write("scene.py", SCENE)
        self.function.code(source)

    def write(self, name: str, source: str = "") -> Path:
        return self.function.write(name, source)

    def seal(self, *included: str, **environment: str) -> dict[str, Any]:
        return seal(self.function.root, "scene.handler", *included, **environment)

    def run(self, contender: Contender = OURS, **environment: str) -> Run:
        return self.function.run(
            Event(), handler="scene.handler", contender=contender, environment=environment
        )

    def same(self, *included: str, contender: Contender = OURS, **environment: str) -> Any:
        """Return what is seen, which must be the same from the files and from the archive."""
        files = self.run(contender, **environment)
        self.seal(*included, **environment)
        archive = self.run(contender, **environment)
        assert archive.result[1] == files.result[1]
        assert archive.stderr == files.stderr
        assert [files.result[0], archive.result[0]] == list(LOADERS.values())
        return archive.result[1]


def seal(
    task: Path,
    handler: str,
    *included: str,
    place: str = "",
    python: str = sys.executable,
    runtime: Path = ROOT / "runtime",
    places: Mapping[Path, str] = MappingProxyType({}),
    options: Sequence[str] = (),
    **environment: str,
) -> dict[str, Any]:
    """Seal what a handler imports, to be used at `place`, or where it is; `places` are others.

    `options` are further ones of the packager's inner command line.
    """
    command = [python, "-SsPB", str(IN_TARGET), "seal", str(task), "--handler", handler]
    command += ["--runtime", str(runtime), "--as", place or str(task)]
    for folder, there in places.items():
        command += ["--place", f"{folder}={there}"]
    command += [word for name in included for word in ("--include", name)]
    command += options
    done = subprocess.run(
        command, capture_output=True, check=False, timeout=180, env={**os.environ, **environment}
    )
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    return document
