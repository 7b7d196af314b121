"""A package in its making, and the part that is the same for all forms: code and dependencies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package import stripping
from snapboot_devkit.package.checks import binaries, reserved, sizes
from snapboot_devkit.package.checks.contents import opened
from snapboot_devkit.package.checks.distributions import Owners, distributions
from snapboot_devkit.package.checks.finding import Severity
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import Place, layout
from snapboot_devkit.package.contents import dependencies, managed_packages, projects, tree
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.errors import MissingHandlerError, PackageError
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.store import NOTHING, Store
from snapboot_devkit.package.stripping import Savings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.finding import Finding
    from snapboot_devkit.package.request import PackageRequest
    from snapboot_devkit.package.target import Target

_MAX_NAMED: Final = 5


@dataclass(slots=True)
class PackageWork:
    """What was asked for, the scratch folder, and what has come of it so far.

    `task` becomes /var/task; `progress` is called with what goes on, `store` has what was made
    before, `facts` what is known of ELF files. `owners` says whose the files of each
    folder are that was examined.
    """

    request: PackageRequest
    scratch: Path
    progress: Callable[[str], object]
    target: Target
    store: Store = NOTHING
    facts: ElfFacts = field(default_factory=ElfFacts)
    requirements: Requirements | None = None
    warnings: list[str] = field(default_factory=list)
    savings: Savings = field(default_factory=Savings)
    owners: dict[Path, Owners] = field(default_factory=dict)

    @property
    def task(self) -> Path:
        """The folder that becomes /var/task."""
        return self.scratch / "task"

    def lay_out_code(
        self, *, max_bytes: int, bootstrap: bool, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Put the dependencies into the function's folder, and its code over them.

        `meanwhile` is called while the dependencies are installed. Raises PackageError,
        MissingHandlerError when the handler is in neither.
        """
        request = self.request
        self.task.mkdir(exist_ok=True)
        found = projects.find(request.source, request.requirements, self.scratch)
        self.requirements = found and replace(found, build=request.build_sdists)
        self._install(meanwhile)
        self._complete()
        self.progress(f"copying {str(request.source)!r}")
        copied = tree.copy(
            request.source,
            self.task,
            max_bytes=max_bytes,
            spare=request.output,
            bootstrap=bootstrap,
            kept=request.kept,
        )
        if copied.replaced:
            names = some(copied.replaced, _MAX_NAMED)
            self.warnings.append(f"files of yours took the place of a dependency's: {names}")
        if copied.private:
            names = some(copied.private, _MAX_NAMED)
            self.warnings.append(
                f"{names} may hold secrets and was left out; set the function's variables instead, "
                "or keep what it needs by --keep FILE"
            )
        self._check_handler()

    def _install(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        if self.requirements is None:
            meanwhile()
            return
        with dependencies.installing(self.requirements, self.target, self.task) as finish:
            meanwhile()
            self.progress(f"installing what {self.requirements.origin} asks for")
            built = finish()
        self._check_reserved()
        if built:
            names = some(built, _MAX_NAMED)
            self.warnings.append(
                f"built from source, which ran their code on this machine: {names}"
            )

    def _complete(self) -> None:
        """Add what only a managed runtime would have had, if that is wanted; else say so."""
        request = self.request
        imported = managed_packages.imports(tree.sources(request.source, spare=request.output))
        if request.managed_packages:  # and those of dependencies: often they can do without
            imported |= managed_packages.imports(tree.sources(self.task, spare=request.output))
        folders = (request.source, self.task)

        def has(module: str) -> bool:
            return any(managed_packages.is_in(folder, module) for folder in folders)

        missing = managed_packages.missing(imported, has, request.layers)
        if not missing or request.managed:
            return
        if not request.managed_packages:
            words = managed_packages.described(
                missing, self.target.version, image=request.form is Form.IMAGE
            )
            self.warnings.append("; ".join(words))
            return
        asked = tuple(managed_packages.PACKAGES[module] for module in missing)
        before = self.requirements
        self.requirements = Requirements(
            (*(before.arguments if before else ()), *asked),
            f"{before.origin} with --managed-packages" if before else "--managed-packages",
            build=request.build_sdists,
        )
        shutil.rmtree(self.task)
        self._install()

    def strip(self, *roots: Path) -> None:
        """Take out what never runs."""
        self.progress("taking out what never runs")
        for root in roots:
            stripping.strip(root, self.target.architecture, self.savings)

    def examine(self, *roots: Path) -> dict[str, int]:
        """Look at the compiled files, and return how large each part is.

        Raises PackageError for files that cannot work.
        """
        self.progress("looking at compiled files")
        place = Place.IMAGE if self.request.form is Form.IMAGE else Place.PROVIDED
        packages = {root: opened(FolderStore(root), self.facts) for root in roots}
        found = list(self._binaries(packages, place))
        self.facts.keep()
        if errors := [f"{one}" for one in found if one.severity is Severity.ERROR]:
            raise PackageError("\n".join(errors))
        self.warnings += [str(one) for one in found if one.severity is Severity.WARNING]
        return sizes.by_part(
            (self.owners[root], ((each.path, each.size) for each in package.files))
            for root, package in packages.items()
        )

    def _check_reserved(self) -> None:
        """Refuse dependencies that bring what Lambda or the runtime would run. PackageError."""
        if not any((self.task / name).exists() for name in reserved.NAMES):
            return
        package = opened(FolderStore(self.task))
        found = distributions(package, layout(package, image=False))
        if errors := [str(one) for one in reserved.check(found, "")]:
            raise PackageError("\n".join(errors))

    def _binaries(self, packages: Mapping[Path, Package], place: Place) -> Iterator[Finding]:
        read = []
        for root, package in packages.items():
            places = layout(package, image=False)
            found = distributions(package, places)
            self.owners[root] = Owners(found, places)
            read.append(binaries.read(package, found))
        beside = frozenset().union(*(each.names for each in read))
        for each in read:
            yield from binaries.check(
                each,
                place,
                self.target.architecture,
                beside=beside,
                newer_glibc=self.request.newer_glibc,
            )

    def _check_handler(self) -> None:
        module = self.request.handler.rpartition(".")[0].replace("/", ".")
        path = self.task / module.replace(".", "/")
        if not any(_is_module(path)):
            raise MissingHandlerError(
                f"cannot find the module {module!r} of the handler {self.request.handler!r} "
                f"in {str(self.request.source)!r}"
            )


def some(names: list[str], most: int) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_module(path: Path) -> Iterable[bool]:
    yield path.with_name(f"{path.name}.py").is_file()
    yield (path / "__init__.py").is_file()
    yield from (found.is_file() for found in path.parent.glob(f"{path.name}.*so"))
