"""Where the function's import finds its code and its layers: at /var/task and /opt if possible."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.sandbox import mount_namespace
from snapboot_devkit.host.sources import code
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.layout import LAYER_ROOT, TASK_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from snapboot_devkit.host.sandbox.mount_namespace import MountNamespace


@dataclass(frozen=True, slots=True)
class View:
    """The folders as the import is to name them; no `layer` where the layers are at /opt.

    `namespace` has both at their places on Lambda; `missing` says in words for people what is not.
    """

    task: Path
    layer: Path | None = None
    namespace: MountNamespace | None = None
    missing: tuple[str, ...] = field(default=())

    def command(self, words: list[str]) -> list[str]:
        """Return the command that runs another one with this view."""
        return self.namespace.entering(words) if self.namespace else words


def prepare(
    task: Path,
    layers: Sequence[Path],
    env: Mapping[str, str],
    scratch: Path,
    needed: Iterable[Path],
) -> View:
    """Return the view for a function's import; layers are unpacked below `scratch`.

    Only one with layers, or with variables that name the folders of Lambda, needs one of its own.
    `needed` are folders that the import uses under the names that they have here. Raises
    PackageError.
    """
    places = (TASK_ROOT, LAYER_ROOT)
    if not layers and not any(place in value for value in env.values() for place in places):
        return View(task)
    try:
        layer = code.prepare(task, layers, within=scratch).layer_root
    except SourceError as exc:
        raise PackageError(f"{exc} (--layer)") from exc
    temporary = scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    found = mount_namespace.prepare(
        task, layer and layer.resolve(), temporary, needed, as_root=False
    )
    if isinstance(found, str):
        why = found.removeprefix("functions see this machine's files as they are: ")
        return View(task, layer, missing=(_not_at_opt(layer, why),) if layer else ())
    at_opt = layer is None or str(found.layer_root) == LAYER_ROOT
    missing = () if at_opt else tuple(_not_at_opt(layer, text) for text in found.missing)
    return View(found.task_root, None if at_opt else layer, replace(found, missing=()), missing)


def _not_at_opt(layer: Path | None, why: str) -> str:
    return (
        f"the layers are not at {LAYER_ROOT} while the handler is imported, but at {str(layer)!r}: "
        f"modules are found there, files by their path in {LAYER_ROOT} are not ({why})"
    )
