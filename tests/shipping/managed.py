"""AWS's managed Python runtime as a root: /var/lang, /var/runtime, and a user without rights.

The interpreter is the one that runs the tests, at the place and under the name that AWS's has.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles import emulator, managed, roots
from snapboot_devkit import aws_runtime
from tests.contract.emulator import Emulator
from tests.fakes.contenders import Contender
from tests.shipping import packages, rooted

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON: Final = f"/var/lang/bin/python{VERSION}"
# Under a name before 3.12 awslambdaric shows what is no longer asked of it.
NAME: Final = f"python3.{max(sys.version_info.minor, 12)}"
WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
WRAPPED: Final = {WRAPPER: "/opt/snapboot"}
ENVIRONMENT: Final = {
    **{name: text for name, text in rooted.ENVIRONMENT.items() if "TIMEOUT" not in name},
    "PATH": f"/var/lang/bin:{rooted.ENVIRONMENT['PATH']}",
    "LD_LIBRARY_PATH": f"/var/lang/lib:{rooted.ENVIRONMENT['LD_LIBRARY_PATH']}",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/test_function",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef",
}


@dataclass(frozen=True, slots=True)
class Managed:
    """The root, and what is mounted in it: folders of /var, and the wrapper layer for /opt."""

    root: Path
    var: Path
    layer: Path

    def places(self, task: Path, layer: Path | None = None) -> dict[str, Path]:
        """Return what is seen where, with a function."""
        packages_of_this_machine = f"lib/python{VERSION}/site-packages"
        nothing = {}
        if Path(sys.base_prefix, packages_of_this_machine).is_dir():
            nothing[f"/var/lang/{packages_of_this_machine}"] = self.var / "task"
        return {
            "/var": self.var,
            "/var/lang": Path(sys.base_prefix),
            **nothing,
            "/var/task": task,
            "/opt": layer or self.layer,
        }


class InRoot(Emulator):
    """The emulator in the root of a managed runtime, as the suites of tests/contract use it."""

    def __init__(
        self,
        runtime: Managed,
        variables: Mapping[str, str],
        handler: str,
        *,
        task_root: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._inside = rooted.entering(
            runtime.root, runtime.places(task_root), tool=emulator.binary()
        )
        super().__init__(
            # Without a command the emulator starts /var/runtime/bootstrap, as Lambda does.
            Contender("managed", lambda _: [], lambda: ENVIRONMENT),
            handler,
            task_root=task_root,
            environment={"_HANDLER": handler, **environment, **variables},
        )

    def _program(self) -> list[str]:
        return [*self._inside, rooted.TOOL]


def lay_out(folder: Path) -> Managed:
    """Return the runtime laid out below a folder. Raises OracleUnavailable."""
    root = roots.bare()
    runtime = folder / "var/runtime"
    shutil.copytree(managed.folder(), runtime)
    aws_runtime.write_scripts(runtime, NAME, PYTHON, "/var/runtime")
    for name in ("lang", "task"):
        (folder / "var" / name).mkdir()
    made = ("package", "--as", "wrapper-layer", "--output", folder / "dist")
    done = packages.snapboot(
        *made, "--python", sys.base_prefix, env={**os.environ, "UV_OFFLINE": "1"}
    )
    assert done.returncode == 0, done.stderr
    layer = packages.unpack(folder / "dist" / packages.LAYER, folder / "opt")
    return Managed(root, folder / "var", layer)
