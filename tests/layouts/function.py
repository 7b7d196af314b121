"""A function in one layout: code to be written, and processes that serve it."""

from __future__ import annotations

import compileall
import shutil
import subprocess
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.contenders import Contender
from tests.fakes.function import Function, Run
from tests.fakes.mounts import mounted
from tests.fakes.runtime_process import RuntimeProcess
from tests.fakes.sealed import IN_TARGET, seal
from tests.layouts.layouts import LAYERS, OWN, RUNTIME, TASK_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.fakes.runtime_api import Call, Event, Reply, RuntimeAPI
    from tests.layouts.layouts import Layout

COMPILE_DEADLINE_S: Final = 60
# Of the machine that runs the tests nothing is to be seen.
NOTHING_OF_OURS: Final = {"HOME": None, "PYTHONDONTWRITEBYTECODE": None}


class LaidOut(Function):
    """A function to write files for, and to run in its layout."""

    def __init__(self, root: Path, layout: Layout) -> None:
        super().__init__(root)
        self.layout = layout
        self._layer: Path | None = None

    def __repr__(self) -> str:
        """Name layout and folder."""
        return f"<LaidOut in {self.layout!r}: {self.root}>"

    @property
    def name(self) -> str:
        """The layout's name."""
        return self.layout.name

    def layer(self, name: str, source: str) -> Path:
        """Write a file of the function's only layer."""
        self._layer = self.root.parent / "layer"
        return Function(self._layer).write(name, source)

    def script(self, name: str, source: str, mode: int = 0o755) -> Path:
        """Write a program beside the function, such as a wrapper; it is seen where it is."""
        path = Function(self.root.parent).write(name, source)
        path.chmod(mode)
        return path

    def run(
        self,
        *events: Event,
        handler: str = "app.handler",
        environment: Mapping[str, str | None] | None = None,
        faults: Mapping[Call, Sequence[Reply]] | None = None,
        under: Sequence[str] = (),
        sealed: bool | None = None,
        sealing: Sequence[str] = (),
        **_: Any,
    ) -> Run:
        """Serve the events in one process and return what it did.

        `under` is a command that starts the runtime's. `sealed` says whether there is a module
        archive, by default as usual in the layout; without, what cannot be imported can be run.
        `sealing` are options for its making.
        """
        contender, variables = self._prepared(
            handler, environment, under, sealed=sealed, sealing=sealing
        )
        return super().run(
            *events, handler=handler, environment=variables, contender=contender, faults=faults
        )

    def start(
        self,
        api: RuntimeAPI,
        *,
        handler: str = "app.handler",
        environment: Mapping[str, str | None] | None = None,
        under: Sequence[str] = (),
        sealed: bool | None = None,
    ) -> RuntimeProcess:
        """Return the running process; use it by `with`. The options are those of `run`."""
        contender, variables = self._prepared(handler, environment, under, sealed=sealed)
        return RuntimeProcess(
            contender, handler, api.address, task_root=self.root, environment=variables
        )

    def _prepared(
        self,
        handler: str,
        environment: Mapping[str, str | None] | None,
        under: Sequence[str],
        *,
        sealed: bool | None,
        sealing: Sequence[str] = (),
    ) -> tuple[Contender, dict[str, str | None]]:
        layout = self.layout
        if layout.is_packed:
            self._pack()
        else:
            _compile(self.root, TASK_ROOT)
        if layout.is_packed if sealed is None else sealed:
            self._seal(handler, environment or {}, sealing)
        places = {TASK_ROOT: self.root, **layout.places}
        if self._layer:
            _compile(self._layer, LAYERS)
            places[LAYERS] = self._layer
        command = [*under, *layout.command, *([handler] if layout.names_handler else ())]
        variables: dict[str, str | None] = {
            **NOTHING_OF_OURS,
            "LAMBDA_TASK_ROOT": TASK_ROOT,
            "LAMBDA_RUNTIME_DIR": RUNTIME,
            **layout.variables,
            **({"_HANDLER": None} if layout.names_handler else {}),
            **(environment or {}),
        }
        return mounted(command, places), variables

    def _pack(self) -> None:
        """Compile the code, and put beside it what `snapboot package` has put there."""
        (self.root / OWN).mkdir(exist_ok=True)
        shutil.copy2(self.layout.runtime.parents[1] / "bootstrap", self.root)
        subprocess.run(
            [str(self.layout.sealer), "-SsPB", str(IN_TARGET),
             "compile", str(self.root), "--as", TASK_ROOT],
            check=True, capture_output=True, timeout=COMPILE_DEADLINE_S,
        )  # fmt: skip

    def _seal(
        self, handler: str, environment: Mapping[str, str | None], options: Sequence[str]
    ) -> None:
        """Write the module archive, as `snapboot package --env …` and an image's build do."""
        given = {
            name: text
            for name, text in environment.items()
            if text is not None and not name.startswith("AWS_LAMBDA_")  # the platform's
        }
        seal(
            self.root,
            handler,
            place=TASK_ROOT,
            python=str(self.layout.sealer),
            runtime=self.layout.runtime,
            places={folder: place for place, folder in self.layout.places.items()},
            options=options,
            **given,
        )


def _compile(folder: Path, place: str) -> None:
    """Make the bytecode that everybody should ship; without, each start says what it compiles."""
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=str(folder),
        prependdir=place,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
