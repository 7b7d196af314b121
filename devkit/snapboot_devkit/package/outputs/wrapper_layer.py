"""The layer that puts the runtime under functions of AWS's managed runtimes: one for all of them.

`/opt/snapboot` is what AWS_LAMBDA_EXEC_WRAPPER names; the runtime is in `/opt/snapboot.d`: plain
Python, with bytecode for each CPython. Packages that differ by architecture are asked for by name.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary import bytecode
from snapboot_devkit.package.contents import dependencies, runtime
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.contents.resolver import uv_run
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import interpreter, managed
from snapboot_devkit.package.layout import LAYER_ROOT, LAYER_ZIP
from snapboot_devkit.package.outputs import zipping
from snapboot_devkit.package.outputs.sealing import Worker
from snapboot_devkit.package.scratch import check_place, put, scratch
from snapboot_devkit.package.target import (
    OLDEST_PYTHON,
    Architecture,
    Target,
    is_version,
    parse_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from snapboot_devkit.package.request import Extra

WRAPPER: Final = "snapboot"
HOME: Final = "snapboot.d"
VARIABLE: Final = f"AWS_LAMBDA_EXEC_WRAPPER={LAYER_ROOT}/{WRAPPER}"
# Of AWS's managed runtimes, those that the runtime supports.
VERSIONS: Final = tuple((3, minor) for minor in range(OLDEST_PYTHON[1], 16))


@dataclass(frozen=True, slots=True)
class WrapperLayer:
    """What was made, in bytes: the interpreter that compiled for each version, None without one.

    `warnings` say what that costs, and which extra is not there for which target.
    """

    path: Path
    packed: int
    unpacked: int
    compiled_by: Mapping[str, str | None]
    warnings: tuple[str, ...]


def make(
    output: Path,
    progress: Callable[[str], object],
    pythons: Sequence[str] = (),
    extras: Sequence[Extra] = (),
) -> WrapperLayer:
    """Make the layer in the output's folder; the same sources make the same bytes.

    `pythons` are versions, programs or folders of interpreters to compile with; for every other
    version uv looks for one. Raises PackageError; then nothing of it is left.
    """
    with scratch(output) as folder:
        place = output / LAYER_ZIP
        check_place(place)
        layer = _Layer(folder / "layer", progress)
        layer.lay_out()
        layer.add(extras)
        compiled_by = layer.compile(list(_programs(pythons, progress)))
        packed = folder / LAYER_ZIP
        zipping.write(layer.root, packed)
        sizes = [path.stat().st_size for path in layer.root.rglob("*") if path.is_file()]
        put(packed, place)
        return WrapperLayer(
            place, place.stat().st_size, sum(sizes), compiled_by, tuple(layer.warnings)
        )


class _Layer:
    """The folder that becomes /opt."""

    def __init__(self, root: Path, progress: Callable[[str], object]) -> None:
        self.root = root
        self.warnings: list[str] = []
        self._progress = progress

    @property
    def home(self) -> Path:
        """The runtime's own folder."""
        return self.root / HOME

    def lay_out(self) -> None:
        """Put the script and the runtime into their places. Raises OSError and PackageError."""
        self._progress("laying out the runtime")
        runtime.copy(self.home)
        shutil.copyfile(runtime.find().wrapper, self.root / WRAPPER)
        (self.root / WRAPPER).chmod(0o755)

    def add(self, extras: Sequence[Extra]) -> None:
        """Install what was asked for, for every version and architecture that has it."""
        for extra in dict.fromkeys(extras):
            (requirement,) = (text for text in runtime.DEPENDENCIES if text.startswith(extra))
            for version in VERSIONS:
                for architecture in Architecture:
                    self._install(extra, requirement, Target(version, architecture))

    def compile(self, programs: Sequence[tuple[tuple[int, int], str]]) -> dict[str, str | None]:
        """Write the bytecode that each interpreter makes. Raises PackageError."""
        found = dict(programs)
        for version in VERSIONS:
            text = _written(version)
            if version not in found:
                self.warnings.append(
                    f"the layer has no bytecode for CPython {text}, which will compile the runtime "
                    f"at each cold start: there is no Python {text} here; install it (uv python "
                    f"install {text}), or name its folder by --python"
                )
                continue
            self._progress(f"compiling for CPython {text}")
            failed = Worker(Path(found[version])).compile(self.home, f"{LAYER_ROOT}/{HOME}")
            if failed:
                raise PackageError(f"CPython {text} cannot compile the runtime: {failed}")
            self._check_magic(version, found[version])
        return {_written(version): found.get(version) for version in VERSIONS}

    def _check_magic(self, version: tuple[int, int], program: str) -> None:
        """Warn of a preview's bytecode, which the release will not take."""
        files = self.home.glob(f"snapboot/__pycache__/main.cpython-{version[0]}{version[1]}*.pyc")
        for file in files:
            if bytecode.header(file.read_bytes()).magic != bytecode.MAGICS[version]:
                self.warnings.append(
                    f"{program!r} is a preview of CPython {_written(version)}, whose release does "
                    "not take its bytecode; make the layer again with the release"
                )

    def _install(self, extra: Extra, requirement: str, target: Target) -> None:
        self._progress(f"installing {extra} for {target}")
        folder = self.root.with_name(f"{extra}-{target.version}-{target.architecture}")
        try:
            dependencies.install(Requirements((requirement,), f"--with {extra}"), target, folder)
        except PackageError as exc:
            self.warnings.append(f"{extra} is left out for {target}: {exc}")
            return
        # Extension modules are named by version and architecture; all else is the same for all.
        shutil.copytree(folder, self.home, dirs_exist_ok=True)


def _programs(
    given: Sequence[str], progress: Callable[[str], object]
) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the interpreters: those that were given, and what uv has or gets for other versions."""
    named = [_given(text) for text in given]
    yield from named
    downloads = True
    for version in VERSIONS:
        if version in dict(named):
            continue
        text = _written(version)
        progress(f"looking for Python {text}")
        program = managed.program(text)
        if program is None and downloads:
            progress(f"downloading Python {text}")
            done = uv_run(["python", "install", "--no-bin", text])
            downloads = not done.status  # where one cannot be reached, the next cannot either
            program = managed.program(text)
        if program is not None:
            yield version, str(program)


def _given(text: str) -> tuple[tuple[int, int], str]:
    if is_version(text):
        version = parse_version(text)
        program = managed.program(text)
        if program is None:
            raise PackageError(
                f"there is no Python {text} on this machine to compile with; install it (uv python "
                f"install {text}), or name its folder by --python"
            )
        return version, str(program)
    found = interpreter.at(Path(text), native=managed.native())
    if found.target.python not in VERSIONS:
        raise PackageError(
            f"{found} is none of {', '.join(map(_written, VERSIONS))}, which the layer is for"
        )
    return found.target.python, str(found.program)


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
