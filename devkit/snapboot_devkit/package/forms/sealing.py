"""Bytecode and module archive, made by the target's interpreter, which runs `inside`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package import layout
from snapboot_devkit.package.contents.tree import ARCHIVE
from snapboot_devkit.package.errors import ImportFailedError, PackageError
from snapboot_devkit.package.forms.view import View
from snapboot_devkit.package.process import run
from snapboot_devkit.package.request import IMPORT_LIMIT_S
from snapboot_devkit.package.store import NOTHING, Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_INSIDE: Final = Path(__file__).parents[1] / "inside"
# Beginnings of why a source was not compiled where the source is not to blame: not to be stored.
_PASSING: Final = ("OSError", "PermissionError", "MemoryError", "RecursionError")
# A whole standard library and large packages, on a slow machine.
_COMPILING_S: Final = 600.0
# What `inside` may take beside the import itself.
_SEALING_S: Final = 200.0
_MAX_DETAIL_LINES: Final = 20

# What Lambda would tell the handler while it is imported. The credentials belong to no account.
AS_ON_LAMBDA: Final[dict[str, str]] = {
    "AWS_ACCESS_KEY_ID": "packaging",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_NAME": "packaging",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/packaging",
    "AWS_LAMBDA_LOG_STREAM_NAME": "packaging",
    "AWS_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "packaging",
    "AWS_SESSION_TOKEN": "packaging",
    "HOME": "/tmp",  # noqa: S108 - the only folder a function can write to
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is in the archive: how many modules, and those that are not, with the reason."""

    modules: int
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worker:
    """A Python program that compiles and seals; its version is the target's."""

    program: Path
    hexversion: int | None = None

    def compile(self, folder: Path, place: str, store: Store = NOTHING) -> dict[str, str]:
        """Compile all of a folder that lies at `place` on Lambda; return what was no Python.

        What the very same release has compiled before for this place is in the store.
        """
        keys = self._keys(folder, place)
        kept = store.find(keys.values())
        failed = {}
        for path, key in keys.items():
            if key in kept:
                name, _, content = kept[key].partition(b"\0")
                if not name:
                    failed[path.relative_to(folder).as_posix()] = content.decode()
                    continue
                bytecode = path.parent / "__pycache__" / name.decode()
                bytecode.parent.mkdir(exist_ok=True)
                bytecode.unlink(missing_ok=True)  # what a wheel brings is the installer's own file
                bytecode.write_bytes(content)
        if self.hexversion is not None and len(kept) == len(set(keys.values())):
            return failed
        arguments = ["compile", str(folder), "--as", place, "--keep"]
        answer = self._inside(arguments, {}, _COMPILING_S)
        failed = dict(answer["failed"])
        made = {}
        for path, key in keys.items():
            compiled = path.parent / "__pycache__" / f"{path.stem}.{answer['tag']}.pyc"
            if key in kept:
                continue
            if compiled.is_file():
                made[key] = compiled.name.encode() + b"\0" + compiled.read_bytes()
                continue
            why = failed.get(path.relative_to(folder).as_posix())
            if why and not why.startswith(_PASSING):
                made[key] = b"\0" + why.encode()
        store.keep(made, kept)
        return failed

    def _keys(self, folder: Path, place: str) -> dict[Path, bytes]:
        """Return what stands for the bytecode of each source; nothing for an unknown release."""
        if self.hexversion is None:
            return {}
        release = self.hexversion.to_bytes(4, "big")
        sources = [
            Path(parent, name)
            for parent, inner, names in os.walk(folder)
            for name in names
            if name.endswith(".py") and not Path(parent, name).is_symlink()
        ]
        return {
            path: digest(
                b"bytecode",
                release,
                f"{place}/{path.relative_to(folder).as_posix()}".encode("utf-8", "surrogateescape"),
                path.read_bytes(),
            )
            for path in sources
        }

    def seal(self, task: Path, order: Order) -> Sealed:
        """Write the module archive into the function's folder.

        Raises PackageError, ImportFailedError where the function may still work on Lambda.
        """
        view = order.view or View(task)
        arguments = ["seal", str(view.task), "--handler", order.handler]
        arguments += ["--runtime", str(order.runtime), "--as", layout.TASK_ROOT]
        written = task.with_name(f"{task.name}.modules")  # the code may be read-only by now
        arguments += ["--output", str(written), "--limit", str(order.limit_s)]
        if view.layer:
            arguments += ["--layer", str(view.layer)]
        for module in order.included:
            arguments += ["--include", module]
        for folder, place in order.places:
            arguments += ["--place", f"{folder}={place}"]
        if order.suffix:
            arguments += ["--extension-suffix", order.suffix]
        try:
            answer = self._inside(arguments, order.env, _SEALING_S + order.limit_s, view.command)
        except PackageError as exc:
            # In the handler's traceback the scratch folders would mean nothing to anybody.
            text = str(exc).replace(str(task), layout.TASK_ROOT)
            if view.layer:
                text = text.replace(str(view.layer), layout.LAYER_ROOT)
            raise type(exc)(text) from exc
        written.replace(task / ARCHIVE)
        return Sealed(int(answer["modules"]), dict(answer["left_out"]))

    def _inside(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        limit_s: float,
        within: Callable[[list[str]], list[str]] = list,
    ) -> dict[str, Any]:
        command = within([str(self.program), "-SsPB", str(_INSIDE), *arguments])
        environ = {"PATH": os.defpath, "PYTHONHASHSEED": "0", **AS_ON_LAMBDA, **env}
        done = run(command, limit_s=limit_s, env=environ)
        try:
            answer = json.loads(done.output)
        except ValueError:
            words = done.errors.strip() or f"exit status {done.status}"
            raise PackageError(f"{str(self.program)!r} failed to {arguments[0]}: {words}") from None
        if error := answer.get("error"):
            raise (ImportFailedError if error.get("mayWork") else PackageError)(_told(error))
        return dict(answer)


@dataclass(frozen=True, slots=True)
class Order:
    """What to seal, and how the import may see the file system and how long it may take.

    `places` are folders beside the function's, each with its path on Lambda.
    """

    handler: str
    runtime: Path
    included: Sequence[str]
    env: Mapping[str, str]
    places: Sequence[tuple[Path, str]] = ()
    suffix: str = ""
    view: View | None = None
    limit_s: float = IMPORT_LIMIT_S


def _told(error: Mapping[str, Any]) -> str:
    detail = error.get("detail", "").rstrip().splitlines()[-_MAX_DETAIL_LINES:]
    return "\n".join([f"{error['message']}; {error['remedy']}", *(f"  {line}" for line in detail)])
