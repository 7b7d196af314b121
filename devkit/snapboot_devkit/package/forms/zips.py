"""A function as `function.zip`, with the interpreter inside or in a `layer.zip` of its own."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package import layout, stripping
from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.contents import managed_packages, runtime
from snapboot_devkit.package.contents.tree import ARCHIVE
from snapboot_devkit.package.errors import ImportFailedError
from snapboot_devkit.package.forms import view, zipping
from snapboot_devkit.package.forms.sealing import Order, Sealed, Worker
from snapboot_devkit.package.interpreters import choice, managed, portable, twin
from snapboot_devkit.package.layout import Form, Placement
from snapboot_devkit.package.request import Made, Packaged
from snapboot_devkit.package.scratch import put
from snapboot_devkit.package.work import Work, some

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.package.interpreters.interpreter import Interpreter
    from snapboot_devkit.package.request import Request
    from snapboot_devkit.package.store import Store

_MAX_NAMED: Final = 5
_MISSING: Final = re.compile(r"No module named '(\w+)")


def make(request: Request, scratch: Path, tell: Callable[[str], object], store: Store) -> Packaged:
    """Make the zip or zips in the output's folder. Raises PackageError."""
    tell(f"looking for Python {request.python}")
    given = choice.shipped(request) if request.with_interpreter else choice.beside(request)
    zips = _Zips(Work(request, scratch, tell, given.target, store), given)
    zips.lay_out()
    zips.compile()
    modules = zips.seal()
    return zips.pack(modules)


@dataclass(frozen=True, slots=True)
class _Zips:
    """The folders that become zips; `given` is the interpreter as it lies outside of them."""

    work: Work
    given: Interpreter

    @property
    def placement(self) -> Placement:
        """Where interpreter and runtime lie: with the code, or apart."""
        if self.work.request.form is Form.ZIP and self.work.request.with_interpreter:
            return Placement(self.work.task, layout.TASK_ROOT)
        return Placement(self.work.scratch / "layer", layout.LAYER_ROOT)

    @property
    def shipped(self) -> dict[str, Path]:
        """The zips by their names, and the folder of each."""
        roots = {layout.FUNCTION_ZIP: self.work.task}
        if self.work.request.form is Form.LAYER:
            roots[layout.LAYER_ZIP] = self.placement.root
        return roots

    @property
    def runs_here(self) -> bool:
        """Whether the package's own interpreter can be started on this machine."""
        request = self.work.request
        return request.with_interpreter and self.given.target.architecture is managed.native()

    def lay_out(self) -> None:
        """Put everything into its folder, and look at whether it fits. Raises PackageError."""
        work = self.work
        work.lay_out_code(
            max_bytes=provided.MAX_CODE_BYTES, bootstrap=work.request.with_interpreter
        )
        if work.request.with_interpreter or work.request.with_archive:
            work.tell("laying out the runtime")
            work.warnings += runtime.lay_out(self.placement.runtime, work.target)
        if work.request.with_interpreter:
            self._lay_out_interpreter()
        if work.request.stripped:
            work.strip(*self.shipped.values())
        work.examine(*self.shipped.values())
        self._check_size()

    def compile(self) -> None:
        """Compile every module of everything that is shipped. Raises PackageError."""
        given = self._worker()
        worker = Worker(given.program, given.hexversion)
        places = {layout.FUNCTION_ZIP: layout.TASK_ROOT, layout.LAYER_ZIP: layout.LAYER_ROOT}
        for name, root in self.shipped.items():
            self.work.tell(f"compiling {name}")
            failed = worker.compile(root, places[name], self.work.store)
            self.work.warnings += [
                f"{file} cannot be compiled: {why}"
                for file, why in failed.items()
                # Packages carry templates, and code for other versions.
                if (self.work.request.source / file).exists()
            ]

    def seal(self) -> Sealed | None:
        """Write the module archive, if it is wanted and can be made. Raises PackageError."""
        if not self.work.request.with_archive:
            return None
        worker = self._worker()
        if worker.hexversion != self.given.hexversion or worker.hexversion is None:
            self.work.warnings.append(
                f"no module archive: it takes the very same release, {self.given.release}, on this "
                f"machine, where there is {worker.release}; 'uv python install "
                f"{self.given.release}' may get it"
            )
            return None
        self.work.tell(f"importing {self.work.request.handler} for the module archive")
        try:
            if self._is_foreign():
                return self._seal_by_twin(worker)
            order = self._order(self.work.task, self.placement.runtime, worker)
            return self._told(Worker(worker.program).seal(self.work.task, order))
        except ImportFailedError as exc:
            words = f"{exc}{self._of_aws(str(exc))}"
            if self.work.request.archive_required:
                raise ImportFailedError(words) from exc
            self.work.warnings.append(f"packaged without a module archive: {words}")
            return None

    def _of_aws(self, failure: str) -> str:
        """Return what to do where a dependency imports what only AWS's runtimes have."""
        found = _MISSING.search(failure)
        if found is None or found[1] not in managed_packages.PACKAGES or self.work.request.managed:
            return ""
        version = self.work.target.version
        message, remedy = managed_packages.described([found[1]], version, image=False)
        return f"\n{message}: {remedy}"

    def pack(self, sealed: Sealed | None) -> Packaged:
        """Write the zips and move them to their places. Raises OSError and PackageError."""
        request = self.work.request
        if request.stripped and sealed and request.form is Form.ZIP and request.with_interpreter:
            stripping.strip_doubles(self.work.task, self.work.target.cache_tag, self.work.savings)
            if sizes.excess(self._parts(), image=False):
                stripping.strip_late(self.work.task, self.work.savings)
        parts = self._check_size()
        written = {}
        for name, root in self.shipped.items():
            self.work.tell(f"writing {name}")
            written[name] = self.work.scratch / name
            zipping.write(root, written[name], self.work.store)
        made = []
        for name, path in written.items():
            unpacked = sum(sizes.by_part(self.shipped[name]).values())
            place = self.work.request.output / name
            made.append(Made(place, path.stat().st_size, unpacked))
            put(path, place)
        return Packaged(
            tuple(made),
            self.work.target,
            str(self.given) if self.work.request.with_interpreter else None,
            sealed.modules if sealed else None,
            parts,
            provided.MAX_CODE_BYTES,
            (*self.work.warnings, *self.work.savings.notes),
            tuple(self.work.savings.lines()),
        )

    def _lay_out_interpreter(self) -> None:
        self.work.tell(f"copying {self.given}")
        here = self.placement.interpreter
        done = portable.copy(self.given, here, runs_here=self.runs_here, facts=self.work.facts)
        self.work.warnings += [
            f"the interpreter has no {name!r} that works: {why}"
            for name, why in done.missing.items()
        ]
        template = runtime.find().bootstrap.read_text("utf-8")
        self.placement.write_bootstrap(template, self.given)

    def _check_size(self) -> dict[str, int]:
        parts = self._parts()
        sizes.check(parts, image=False)
        return parts

    def _parts(self) -> dict[str, int]:
        parts = sizes.by_part(*self.shipped.values())
        parts |= sizes.of_layers(self.work.request.layers)
        return dict(sorted(parts.items(), key=lambda item: (-item[1], item[0])))

    def _worker(self) -> Interpreter:
        """Return the interpreter that compiles and imports: the package's own where it can."""
        if self.runs_here:
            return portable.in_folder(self.given, self.placement.interpreter)
        if self.work.request.with_interpreter:
            return choice.twin(self.given)
        return portable.without_packages(self.given, self.work.scratch / "worker")

    def _is_foreign(self) -> bool:
        return self.work.target.architecture is not managed.native()

    def _order(
        self, task: Path, runtime_folder: Path, worker: Interpreter, suffix: str = ""
    ) -> Order:
        request, place, stdlib = self.work.request, self.placement.place, worker.stdlib
        needed = (worker.program, stdlib, runtime_folder, Path(__file__).parents[1])
        seen = view.prepare(task, request.layers, request.env, self.work.scratch, needed)
        self.work.warnings += seen.missing
        library = f"{place}/{layout.INTERPRETER}/{stdlib.parent.name}/{stdlib.name}"
        return Order(
            request.handler,
            runtime_folder,
            request.included,
            request.env,
            ((runtime_folder, f"{place}/{layout.RUNTIME}"), (stdlib, library)),
            suffix,
            seen,
            request.import_limit_s,
        )

    def _seal_by_twin(self, native: Interpreter) -> Sealed | None:
        """Seal the function as if it were one for this machine, by an interpreter for it."""
        work, folder = self.work, self.work.scratch
        stdlib = self._stdlib()
        if work.request.with_interpreter:
            native = twin.interpreter(native, stdlib, folder / "twin-python")
        wheels = [work.requirements] if work.requirements else []
        task = twin.lay_out(work.task, wheels, work.target, folder / "twin")
        own = twin.lay_out(
            self.placement.runtime, [runtime.REQUIREMENTS], work.target, folder / "twin-runtime"
        )
        order = self._order(task, own, native, twin.suffix(work.target))
        sealed = Worker(native.program).seal(task, order)
        roots = {"t": work.task, "r": self.placement.runtime}
        if work.request.with_interpreter:
            roots["s"] = stdlib
        if absent := twin.absent(task / ARCHIVE, roots):
            work.warnings.append(
                "no module archive: imported on this machine, the handler needs modules that the "
                f"package has not: {some(absent, _MAX_NAMED)}"
            )
            return None
        shutil.copyfile(task / ARCHIVE, work.task / ARCHIVE)
        return self._told(sealed)

    def _told(self, sealed: Sealed) -> Sealed:
        self.work.warnings += [
            f"{name} is not in the module archive: {why}"
            for name, why in sealed.left_out.items()
            if not name.startswith(twin.PLATFORM_DATA)
        ]
        return sealed

    def _stdlib(self) -> Path:
        """Return the standard library of the package's interpreter, as it lies here."""
        if not self.work.request.with_interpreter:
            return self.given.stdlib
        return portable.in_folder(self.given, self.placement.interpreter).stdlib
