"""Bytecode and module archive, made by the target's interpreter, which runs `in_target`."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package import layout
from snapboot_devkit.package.contents.tree import ARCHIVE
from snapboot_devkit.package.errors import ImportFailedError, PackageError
from snapboot_devkit.package.outputs.view import View
from snapboot_devkit.package.outputs.zipping import content_of, entries
from snapboot_devkit.package.process import started
from snapboot_devkit.package.request import IMPORT_LIMIT_S, Imports, Lazy
from snapboot_devkit.package.store import NOTHING, Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from snapboot_devkit.package.process import Finished

_IN_TARGET: Final = Path(__file__).parents[1] / "in_target"
_BYTECODE: Final = "__pycache__"
# Beginnings of why a source was not compiled where the source is not to blame: not to be stored.
_PASSING: Final = ("OSError", "PermissionError", "MemoryError", "RecursionError")
# A whole standard library and large packages, on a slow machine.
_COMPILING_S: Final = 600.0
# What `in_target` may take beside the import itself.
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
class SealResult:
    """What is in the archive: how many modules, and those that are not, with the reason."""

    modules: int
    left_out: dict[str, str] = field(default_factory=dict)
    imports: Imports | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A Python program that compiles and seals; its version is the target's."""

    program: Path
    hexversion: int | None = None

    def compile(self, folder: Path, place: str, store: Store = NOTHING) -> dict[str, str]:
        """Compile all of a folder that will be at `place` on Lambda; return what was not Python.

        What the very same release has compiled before for this place is in the store.
        """
        keys = self._keys(folder, place)
        kept = store.find(keys.values())
        failed = _lay_out(folder, {name: kept[key] for name, key in keys.items() if key in kept})
        left = {name: key for name, key in keys.items() if key not in kept}
        if self.hexversion is not None and not left:
            return failed
        arguments = ["compile", str(folder), "--as", place, "--keep"]
        with tempfile.NamedTemporaryFile() as listed:
            if left:
                listed.write(b"\0".join(map(os.fsencode, left)))
                listed.flush()
                arguments += ["--only", listed.name]
            with self._started(arguments, {}, _COMPILING_S) as finish:
                answer = finish()
        failed |= answer["failed"]
        made = {}
        for name, key in left.items():
            module = folder / name
            compiled = module.parent / _BYTECODE / f"{module.stem}.{answer['tag']}.pyc"
            why = failed.get(name)
            if compiled.is_file():
                made[key] = compiled.name.encode() + b"\0" + compiled.read_bytes()
            elif why and not why.startswith(_PASSING):
                made[key] = b"\0" + why.encode()
        store.keep(made, kept)
        return failed

    def _keys(self, folder: Path, place: str) -> dict[str, bytes]:
        """Return what stands for the bytecode of each source; nothing for an unknown release."""
        if self.hexversion is None:
            return {}
        release = self.hexversion.to_bytes(4, "big")
        return {
            one.name: digest(
                b"bytecode", release, os.fsencode(f"{place}/{one.name}"), content_of(one.path)
            )
            for one in entries(folder)
            if one.name.endswith(".py") and stat.S_ISREG(one.mode)
        }

    def seal(self, task: Path, order: SealOptions) -> SealResult:
        """Write the module archive into the function's folder; see `sealing`."""
        with self.sealing(task, order) as finish:
            return finish()

    @contextlib.contextmanager
    def sealing(self, task: Path, order: SealOptions) -> Iterator[Callable[[], SealResult]]:
        """Make the module archive meanwhile; yield what waits for it and puts it into the folder.

        That raises PackageError, ImportFailedError where the function may still work on Lambda.
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
        if order.lazy:
            arguments += ["--lazy", order.lazy]
        for event in order.events:
            arguments.append(f"--event={event}")
        if order.suffix:
            arguments += ["--extension-suffix", order.suffix]
        limit_s = _SEALING_S + order.limit_s
        with self._started(arguments, order.env, limit_s, view.command) as finish:

            def finish_sealing() -> SealResult:
                try:
                    answer = finish()
                except PackageError as exc:
                    # In the handler's traceback the scratch folders would mean nothing to anybody.
                    text = str(exc).replace(str(task), layout.TASK_ROOT)
                    if view.layer:
                        text = text.replace(str(view.layer), layout.LAYER_ROOT)
                    raise type(exc)(text) from exc
                written.replace(task / ARCHIVE)
                imports = Imports(answer["lazy"], answer["eager"]) if order.lazy else None
                return SealResult(int(answer["modules"]), dict(answer["left_out"]), imports)

            yield finish_sealing

    @contextlib.contextmanager
    def _started(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        limit_s: float,
        within: Callable[[list[str]], list[str]] = list,
    ) -> Iterator[Callable[[], dict[str, Any]]]:
        """Start `in_target`; yield what waits for its answer. Raises PackageError."""
        command = within([str(self.program), "-SsPB", str(_IN_TARGET), *arguments])
        environ = {"PATH": os.defpath, "PYTHONHASHSEED": "0", **AS_ON_LAMBDA, **env}
        with started(command, limit_s=limit_s, env=environ) as finish:
            yield lambda: self._answer(arguments[0], finish())

    def _answer(self, asked: str, done: Finished) -> dict[str, Any]:
        try:
            answer = json.loads(done.output)
        except ValueError:
            words = done.errors.strip() or f"exit status {done.status}"
            raise PackageError(f"{str(self.program)!r} failed to {asked}: {words}") from None
        if error := answer.get("error"):
            raise (ImportFailedError if error.get("mayWork") else PackageError)(_words(error))
        return dict(answer)


@dataclass(frozen=True, slots=True)
class SealOptions:
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
    lazy: Lazy | None = None
    events: Sequence[str] = ()


def _lay_out(folder: Path, kept: Mapping[str, bytes]) -> dict[str, str]:
    """Write bytecode that was made before, by the names of its sources; return what had failed."""
    failed, made = {}, set()
    for source, entry in kept.items():
        name, _, content = entry.partition(b"\0")
        if not name:
            failed[source] = content.decode()
            continue
        place = f"{folder}/{source.rpartition('/')[0]}/{_BYTECODE}"
        if place not in made:
            made.add(place)
            Path(place).mkdir(exist_ok=True)
        path = f"{place}/{name.decode()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - what a wheel brings is the installer's own file
        with open(path, "wb") as file:  # noqa: PTH123 - of thousands, a Path each would be slow
            file.write(content)
    return failed


def _words(error: Mapping[str, Any]) -> str:
    detail = error.get("detail", "").rstrip().splitlines()[-_MAX_DETAIL_LINES:]
    return "\n".join([f"{error['message']}; {error['remedy']}", *(f"  {line}" for line in detail)])
