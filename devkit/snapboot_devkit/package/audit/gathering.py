"""What has to be known of a package before it can be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit import enclosing_folder
from snapboot_devkit.package.audit.compiling import CompileJob, compiled
from snapboot_devkit.package.audit.modules import COMPILED, State, module_name, states
from snapboot_devkit.package.audit.pythons import Python, at_hand, given, of_package
from snapboot_devkit.package.audit.sealed import sealed
from snapboot_devkit.package.audit.subject import Subject
from snapboot_devkit.package.binary.modules import NAME
from snapboot_devkit.package.checks import binaries, wrappers
from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.checks.distributions import Owners, distributions
from snapboot_devkit.package.checks.layout import (
    Layout,
    PackageKind,
    Place,
    TargetRuntime,
    layout,
    runtime,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from snapboot_devkit.package.checks.contents import Package

# What a Dockerfile has in it that compiles while the image is built.
_COMPILES: Final = "compile"


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What the caller knows of the package; what is None is found out."""

    python: str | None = None
    target: str | None = None
    handler: str | None = None
    architecture: str | None = None
    layers: tuple[Path, ...] = ()

    @property
    def runtime(self) -> TargetRuntime | None:
        """Where the package is to run, if that was said. Raises AuditError."""
        found = None if self.target is None else runtime(self.target)
        if found is None and self.target is not None:
            raise AuditError(
                f"cannot audit for the runtime {self.target!r}: give provided.al2023, image, or "
                "one such as python3.13"
            )
        return found


def gather(package: Package, options: AuditOptions, *, image: bool) -> Subject:
    """Find out what the checks need, and measure what a cold start compiles. Raises AuditError."""
    places = layout(package, image=image)
    said = options.runtime
    python = _python(options, said, package, places)
    by_source = states(package, places, python)
    archive = sealed(package, places, python)
    due = _due(package, places, by_source) - (archive.loaded if archive else frozenset())
    found = distributions(package, places)
    owners = Owners(found, places)
    compiled_files = binaries.read(package, found)
    start = _start(options.handler, by_source, places, owners.files, package)
    if start is not None and wrappers.script(package) == wrappers.CODE_SCRIPT:
        start = (*start, "snapboot.main")  # it starts the function, if its variable names it
    return Subject(
        package,
        places,
        said.place if said else _place(package, places),
        said is not None,
        python,
        options.architecture or compiled_files.architecture,
        found,
        owners,
        compiled_files,
        by_source,
        archive,
        compiled(package, places, python.measured_by, CompileJob(by_source, due, start)),
        options.layers,
    )


def _python(
    options: AuditOptions, said: TargetRuntime | None, package: Package, places: Layout
) -> Python:
    if options.python is not None:
        return given(options.python)
    if said is not None and said.python is not None:
        return at_hand(said.python)
    return of_package(package, places)


def _place(package: Package, places: Layout) -> Place:
    if places.form in {PackageKind.IMAGE, PackageKind.CONTEXT}:
        return Place.IMAGE
    if wrappers.script(package) is not None and not package.is_file("bootstrap"):
        return Place.MANAGED
    # AWS's runtime knows neither of the three.
    own = package.is_file("bootstrap") or places.runtime or package.is_file(NAME)
    return Place.PROVIDED if own else Place.MANAGED


def _due(package: Package, places: Layout, by_source: Mapping[str, State]) -> set[str]:
    """Return the modules that are compiled on Lambda whenever they are imported."""
    if places.form is PackageKind.CONTEXT and _COMPILES in package.text("Dockerfile"):
        return set()
    return {path for path, state in by_source.items() if state in COMPILED}


def _start(
    handler: str | None,
    by_source: Mapping[str, State],
    places: Layout,
    owned: Collection[str],
    package: Package,
) -> tuple[str, ...] | None:
    """Return the modules that a start begins with; None if all are to be taken.

    Without a handler: those in the code's folder that no distribution has brought there, packages
    by their own name. If everything is a distribution's, as in a layer, no start is known.
    """
    if handler is not None and places.form is not PackageKind.LAYER:  # of which it is no part
        return (_handler_module(handler, by_source, places, package),)
    elsewhere = tuple(root for root in places.roots[1:] if root)
    own = (path for path in by_source if path not in owned and path.startswith(places.task))
    names = (module_name(path, places) for path in own if not path.startswith(elsewhere))
    return tuple(sorted({name for name in names if name and "." not in name})) or None


def _handler_module(
    handler: str, by_source: Mapping[str, State], places: Layout, package: Package
) -> str:
    module, dot, _ = handler.rpartition(".")
    name = module.replace("/", ".")
    if not dot or all(module_name(path, places) != name for path in by_source):
        folder = enclosing_folder.enclosing(package)
        advice = "give it as module.function"
        if folder is not None:
            advice = f"all files are in the folder {folder!r}: {enclosing_folder.remedy(folder)}"
        raise AuditError(f"the package has no module for the handler {handler!r}; {advice}")
    return name
