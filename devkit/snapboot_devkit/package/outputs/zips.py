"""A function as `function.zip`, with the interpreter inside or in a `layer.zip` of its own."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package import layout, stripping
from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.contents import managed_packages, runtime
from snapboot_devkit.package.contents.tree import ARCHIVE
from snapboot_devkit.package.errors import ImportFailedError
from snapboot_devkit.package.interpreters import choice, cross_build, managed, portable
from snapboot_devkit.package.layout import Form, Placement
from snapboot_devkit.package.outputs import view, zipping
from snapboot_devkit.package.outputs.sealing import SealOptions, SealResult, Worker
from snapboot_devkit.package.request import Made, Packaged
from snapboot_devkit.package.scratch import check_place, put
from snapboot_devkit.package.work import PackageWork, some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from snapboot_devkit.package.elf_facts import ElfFacts
    from snapboot_devkit.package.interpreters.interpreter import Interpreter
    from snapboot_devkit.package.outputs.zipping import ZipEntry
    from snapboot_devkit.package.request import PackageRequest
    from snapboot_devkit.package.store import Store

_MAX_NAMED: Final = 5
_MISSING: Final = re.compile(r"No module named '(\w+)")


def make(
    request: PackageRequest,
    scratch: Path,
    progress: Callable[[str], object],
    store: Store,
    facts: ElfFacts,
) -> Packaged:
    """Make the zip or zips in the output's folder. Raises PackageError."""
    progress(f"looking for Python {request.python}")
    given = choice.shipped(request) if request.with_interpreter else choice.beside(request)
    zips = _Zips(PackageWork(request, scratch, progress, given.target, store, facts), given)
    for name in zips.shipped:
        check_place(request.output / name)
    zips.lay_out()
    zips.compile()
    found = zips.found()  # before the import, which may write
    with zips.sealing() as finish:
        return zips.pack(found, finish)


@dataclass(frozen=True, slots=True)
class _Zips:
    """The folders that become zips; `given` is the interpreter as it is outside of them."""

    work: PackageWork
    given: Interpreter

    @property
    def placement(self) -> Placement:
        """Where interpreter and runtime are: with the code, or apart."""
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
        work, request = self.work, self.work.request
        with_runtime = request.with_interpreter or request.with_archive
        apart = Placement(work.scratch / "apart", self.placement.place)
        with contextlib.ExitStack() as stack:
            finish: Callable[[], list[str]] = list

            def meanwhile() -> None:
                nonlocal finish
                if with_runtime:
                    finish = stack.enter_context(runtime.laying_out(apart.runtime, work.target))
                if request.with_interpreter:
                    self._copy_interpreter(apart)

            work.lay_out_code(
                max_bytes=provided.MAX_CODE_BYTES,
                bootstrap=request.with_interpreter,
                meanwhile=meanwhile,
            )
            if with_runtime:
                work.progress("laying out the runtime")
                work.warnings += finish()
        apart.move_to(self.placement)
        if request.with_interpreter:
            template = runtime.find().bootstrap.read_text("utf-8")
            self.placement.write_bootstrap(template, self.given)
        if request.stripped:
            work.strip(*self.shipped.values())
        self._check_size(work.examine(*self.shipped.values()))

    def compile(self) -> None:
        """Compile every module of everything that is shipped. Raises PackageError."""
        given = self._worker()
        worker = Worker(given.program, given.hexversion)
        places = {layout.FUNCTION_ZIP: layout.TASK_ROOT, layout.LAYER_ZIP: layout.LAYER_ROOT}
        for name, root in self.shipped.items():
            self.work.progress(f"compiling {name}")
            failed = worker.compile(root, places[name], self.work.store)
            self.work.warnings += [
                f"{file} cannot be compiled: {why}"
                for file, why in failed.items()
                # Packages carry templates, and code for other versions.
                if (self.work.request.source / file).exists()
            ]

    @contextlib.contextmanager
    def sealing(self) -> Iterator[Callable[[], SealResult | None]]:
        """Begin to make the module archive; yield what waits for it, and returns None without one.

        Raises PackageError.
        """
        if not self.work.request.with_archive:
            yield lambda: None
            return
        worker = self._worker()
        if worker.hexversion != self.given.hexversion or worker.hexversion is None:
            self.work.warnings.append(
                f"no module archive: making one requires Python {self.given.release} on this "
                f"machine, which has {worker.release}; 'uv python install "
                f"{self.given.release}' may get it"
            )
            yield lambda: None
            return
        self.work.progress(f"importing {self.work.request.handler} for the module archive")
        if self._is_foreign():
            yield cache(lambda: self._sealed(lambda: self._seal_by_cross_build(worker)))
            return
        order = self._order(self.work.task, self.placement.runtime, worker)
        with Worker(worker.program).sealing(self.work.task, order) as finish:
            yield cache(lambda: self._sealed(finish))

    def _sealed(self, finish: Callable[[], SealResult | None]) -> SealResult | None:
        """Return what is in the archive, None without one. Raises PackageError."""
        try:
            sealed = finish()
            return sealed and self._with_warnings(sealed)
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

    def pack(
        self, found: dict[str, list[ZipEntry]], finish: Callable[[], SealResult | None]
    ) -> Packaged:
        """Write the zips and move them to their places. Raises OSError and PackageError.

        What was `found` is written while the module archive is made, which `finish` waits for. If
        the import changed any of it, it is written again.
        """
        request = self.work.request
        if request.stripped:
            sealed = finish()
            self._warn_of_changes(found, self.found())
            if sealed and request.form is Form.ZIP and request.with_interpreter:
                self._strip_sealed()
            found = self.found()
        self._check_size(self._parts(found))
        with contextlib.suppress(FileNotFoundError):  # the import may have removed a file
            self._write(found, finish)
        sealed = finish()
        before, found = found, self.found()
        if self._warn_of_changes(before, found):
            self._write(found, finish)
        parts = self._check_size(self._parts(found))
        made = []
        for name, entries in found.items():
            path, place = self.work.scratch / name, request.output / name
            unpacked = sum(entry.size for entry in entries if stat.S_ISREG(entry.mode))
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
            sealed.imports if sealed else None,
        )

    def _write(
        self, found: Mapping[str, list[ZipEntry]], finish: Callable[[], SealResult | None]
    ) -> None:
        """Write each zip to the scratch folder, the function's module archive when it is made."""

        def archive() -> ZipEntry | None:
            return zipping.entry_of(self.work.task / ARCHIVE) if finish() else None

        for name, entries in found.items():
            self.work.progress(f"writing {name}")
            path = self.work.scratch / name
            path.unlink(missing_ok=True)
            late = {ARCHIVE: archive} if name == layout.FUNCTION_ZIP else {}
            zipping.write_entries(entries, path, self.work.store, late)

    def _warn_of_changes(
        self, before: Mapping[str, list[ZipEntry]], now: Mapping[str, list[ZipEntry]]
    ) -> bool:
        """Return whether the import has changed what is packaged, and warn of it."""
        changed = [
            name
            for file, entries in now.items()
            for name in zipping.changed(before[file], entries)
            if name != ARCHIVE
        ]
        if changed:
            self.work.warnings.append(
                "the import of the handler changed files of the package, which are read-only on "
                f"Lambda: {some(changed, _MAX_NAMED)}; they are packaged as it left them"
            )
        return bool(changed)

    def _copy_interpreter(self, placement: Placement) -> None:
        self.work.progress(f"copying {self.given}")
        here = placement.interpreter
        done = portable.copy(self.given, here, runs_here=self.runs_here, facts=self.work.facts)
        self.work.warnings += [
            f"the interpreter has no {name!r} that works: {why}"
            for name, why in done.missing.items()
        ]

    def _strip_sealed(self) -> None:
        stripping.strip_doubles(self.work.task, self.work.target.cache_tag, self.work.savings)
        for strip in (stripping.strip_late, stripping.strip_late_stdlib):
            if sizes.excess(self._with_layers(self._parts(self.found())), image=False):
                strip(self.work.task, self.work.savings)

    def found(self) -> dict[str, list[ZipEntry]]:
        """Return what goes into each zip."""
        return {name: zipping.entries(root) for name, root in self.shipped.items()}

    def _parts(self, found: Mapping[str, Iterable[ZipEntry]]) -> dict[str, int]:
        """Return the sizes of what goes into the zips."""
        return sizes.by_part(
            (
                self.work.owners[self.shipped[name]],
                ((entry.name, entry.size) for entry in entries if stat.S_ISREG(entry.mode)),
            )
            for name, entries in found.items()
        )

    def _with_layers(self, parts: dict[str, int]) -> dict[str, int]:
        parts |= sizes.of_layers(self.work.request.layers)
        return dict(sorted(parts.items(), key=lambda item: (-item[1], item[0])))

    def _check_size(self, parts: dict[str, int]) -> dict[str, int]:
        """Return the sizes with those of layers. Raises PackageError for too much."""
        parts = self._with_layers(parts)
        sizes.check(parts, image=False)
        return parts

    def _worker(self) -> Interpreter:
        """Return the interpreter that compiles and imports: the package's own where it can."""
        if self.runs_here:
            return portable.in_folder(self.given, self.placement.interpreter)
        if self.work.request.with_interpreter:
            return choice.same_release_here(self.given)
        return portable.without_packages(self.given, self.work.scratch / "worker")

    def _is_foreign(self) -> bool:
        return self.work.target.architecture is not managed.native()

    def _order(
        self, task: Path, runtime_folder: Path, worker: Interpreter, suffix: str = ""
    ) -> SealOptions:
        request, place, stdlib = self.work.request, self.placement.place, worker.stdlib
        needed = (worker.program, stdlib, runtime_folder, Path(__file__).parents[1])
        seen = view.prepare(task, request.layers, request.env, self.work.scratch, needed)
        self.work.warnings += seen.missing
        library = f"{place}/{layout.INTERPRETER}/{stdlib.parent.name}/{stdlib.name}"
        return SealOptions(
            request.handler,
            runtime_folder,
            request.included,
            request.env,
            ((runtime_folder, f"{place}/{layout.RUNTIME}"), (stdlib, library)),
            suffix,
            seen,
            request.import_limit_s,
            request.lazy,
            request.events,
        )

    def _seal_by_cross_build(self, native: Interpreter) -> SealResult | None:
        """Seal the function as if it were one for this machine, by an interpreter for it."""
        work, folder = self.work, self.work.scratch
        stdlib = self._stdlib()
        if work.request.with_interpreter:
            native = cross_build.interpreter(native, stdlib, folder / "cross-python")
        wheels = [work.requirements] if work.requirements else []
        task = cross_build.lay_out(work.task, wheels, work.target, folder / "cross")
        own = cross_build.lay_out(
            self.placement.runtime, [runtime.REQUIREMENTS], work.target, folder / "cross-runtime"
        )
        order = self._order(task, own, native, cross_build.suffix(work.target))
        sealed = Worker(native.program).seal(task, order)
        roots = {"t": work.task, "r": self.placement.runtime}
        if work.request.with_interpreter:
            roots["s"] = stdlib
        if absent := cross_build.absent(task / ARCHIVE, roots):
            work.warnings.append(
                "no module archive: imported on this machine, the handler needs modules that the "
                f"package has not: {some(absent, _MAX_NAMED)}"
            )
            return None
        shutil.copyfile(task / ARCHIVE, work.task / ARCHIVE)
        return self._with_warnings(sealed)

    def _with_warnings(self, sealed: SealResult) -> SealResult:
        self.work.warnings += [
            f"{name} is not in the module archive: {why}"
            for name, why in sealed.left_out.items()
            if not name.startswith(cross_build.PLATFORM_DATA)
        ]
        return sealed

    def _stdlib(self) -> Path:
        """Return the standard library of the package's interpreter, as it is here."""
        if not self.work.request.with_interpreter:
            return self.given.stdlib
        return portable.in_folder(self.given, self.placement.interpreter).stdlib
