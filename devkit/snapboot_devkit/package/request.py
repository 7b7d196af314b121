"""What is to be packaged, and how; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.target import Architecture, Libc, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Ten times what Lambda gives to an init on demand: this machine may have compiled nothing yet.
IMPORT_LIMIT_S: Final = 100.0
MAX_IMPORT_LIMIT_S: Final = 900.0
# It is passed on in a command line, of which Linux takes 128 KiB for one word.
MAX_EVENT_BYTES: Final = 100_000


class Extra(StrEnum):
    """A package that the runtime uses where it is there, by its name on the index."""

    ORJSON = "orjson"
    URLLIB3 = "urllib3"


class Lazy(StrEnum):
    """Which imports of the archive's modules wait for their first use."""

    GUIDED = "guided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """A package that is wanted. `python` is a version, or an interpreter's folder or program.

    `env` are variables that the handler reads while it is imported, `layers` folders and zips that
    it finds at /opt then, and its import may take `import_limit_s`. Without `with_archive` there is
    no module archive; with `archive_required` a function without one is an error. Without
    `with_interpreter` a zip has neither interpreter nor runtime. With `newer_glibc` files are taken
    that need more than Amazon Linux has. `cache` is the folder for
    what would be made again, None for none. `managed` is for one of AWS's own Python runtimes; for
    others `managed_packages` adds what those would have had. `build_sdists` runs the code of
    packages that have no wheel. With `lazy` imports wait that neither the handler's import nor
    `events`, which are JSON, needed.
    """

    source: Path
    handler: str
    form: Form
    output: Path
    python: str
    architecture: Architecture = Architecture.X86_64
    libc: Libc = Libc.GLIBC
    requirements: Path | None = None
    included: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Path, ...] = ()
    import_limit_s: float = IMPORT_LIMIT_S
    cache: Path | None = None
    managed_packages: bool = False
    build_sdists: bool = False
    managed: bool = False
    lazy: Lazy | None = None
    events: tuple[str, ...] = ()
    with_archive: bool = True
    archive_required: bool = False
    with_interpreter: bool = True
    newer_glibc: bool = False
    kept: tuple[str, ...] = ()
    stripped: bool = False

    def check(self) -> None:
        """Raise PackageError for a request that contradicts itself."""
        module, _, name = self.handler.rpartition(".")
        if not module or not name:
            raise PackageError(
                f"the handler {self.handler!r} must be module.function, such as app.handler"
            )
        if self.libc is Libc.MUSL and self.form is not Form.IMAGE:
            raise PackageError(
                "provided.al2023 has glibc; musl is for an image with such a base: --as image"
            )
        if self.layers and self.form is Form.IMAGE:
            raise PackageError(
                "an image has no layers: leave out --layer, and put into the image what they hold"
            )
        for layer in self.layers:
            if not layer.exists():
                raise PackageError(
                    f"there is no layer {str(layer)!r}; give its folder or zip by --layer"
                )
        if self.archive_required and not self.with_archive:
            raise PackageError("--require-archive and --no-archive contradict each other")
        self._check_lazy()
        if not 0 < self.import_limit_s <= MAX_IMPORT_LIMIT_S:
            raise PackageError(
                f"--import-timeout {self.import_limit_s:g} must be between 0 and "
                f"{MAX_IMPORT_LIMIT_S:g} seconds"
            )
        if self.managed and self.form is not Form.ZIP:
            raise PackageError(f"--runtime is for --as zip; leave it out with --as {self.form}")
        if not self.with_interpreter and self.form is not Form.ZIP:
            raise PackageError(
                f"--no-interpreter is for --as zip; leave it out with --as {self.form}"
            )

    def _check_lazy(self) -> None:
        if self.lazy and not self.with_archive:
            raise PackageError("--lazy guided is for the module archive: leave out --no-archive")
        if self.lazy and not self.events:
            raise PackageError(
                "--lazy guided is guided by what the handler uses: give at least one --event, a "
                "file with JSON"
            )
        if self.events and not self.lazy:
            raise PackageError("--event is for --lazy guided; add that, or leave out --event")
        for event in self.events:
            if len(event.encode()) > MAX_EVENT_BYTES:
                raise PackageError(
                    f"an --event has {len(event.encode())} bytes, and may have {MAX_EVENT_BYTES} "
                    "here; give a smaller one of its kind"
                )


@dataclass(frozen=True, slots=True)
class Made:
    """A file in its place, or for an image a folder, which is not packed; sizes in bytes."""

    path: Path
    packed: int | None
    unpacked: int


@dataclass(frozen=True, slots=True)
class Imports:
    """By module: imports that wait for their first use, and those made at once, with the reason."""

    lazy: Mapping[str, Sequence[str]]
    eager: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Packaged:
    """What was made.

    `interpreter` is the one that is inside, None without one; `modules` is the number of those in
    the archive, None without an archive. `parts` are the sizes of packages and layers, the largest
    one first; all together may take `limit` bytes unpacked. `warnings` are for people to judge,
    `savings` say what `--strip` took out. `imports` are those of `--lazy guided`.
    """

    made: tuple[Made, ...]
    target: Target
    interpreter: str | None
    modules: int | None
    parts: Mapping[str, int]
    limit: int
    warnings: tuple[str, ...]
    savings: tuple[str, ...] = ()
    imports: Imports | None = None

    @property
    def unpacked(self) -> int:
        """The bytes of everything, unpacked."""
        return sum(each.unpacked for each in self.made)

    @property
    def on_lambda(self) -> int:
        """The bytes of everything with its layers, which count towards the limit."""
        return sum(self.parts.values())
