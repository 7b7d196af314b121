"""Images for the tests: each is built once, whichever worker asks first, and none is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles import images
from tests.fakes.contenders import ROOT
from tests.shipping import bases
from tests.shipping.bases import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# What the Dockerfile asks for, and the version of one of them that a function brings along.
REQUIREMENTS: Final = ("orjson>=3.9", "urllib3>=2", "h11>=0.14", "msgspec>=0.19")
OWN: Final = ("urllib3==1.26.20",)


@dataclass(frozen=True, slots=True)
class Images:
    """A store of images that the workers of a test run share."""

    store: images.Store

    def base(self, kind: Callable[[Path], list[Path]]) -> str:
        """Return the name of a base of this kind."""
        return self._once(f"base-{kind.__name__}", lambda name: self._add(kind, name))

    def snapboot(self, kind: Callable[[Path], list[Path]], **arguments: str) -> images.Image:
        """Return our image on such a base."""
        named = "-".join(f"{name}-{value}" for name, value in arguments.items())
        base = self.base(kind)
        name = f"snapboot-{kind.__name__}-{named}".lower().rstrip("-")
        return self.build(name, ROOT, PYTHON_IMAGE=base, **arguments)

    def build(self, name: str, context: Path, **arguments: str) -> images.Image:
        """Return what the Dockerfile of a context makes. Raises BuildError."""
        text = self._once(name, lambda name: self._built(name, context, arguments))
        description = json.loads(text)
        return images.Image(name, description["config"], Path(description["root"]))

    def _add(self, kind: Callable[[Path], list[Path]], name: str) -> str:
        with tempfile.TemporaryDirectory(dir=self.store.folder) as folder:
            return self.store.add(kind(Path(folder)), name)

    def _built(self, name: str, context: Path, arguments: Mapping[str, str]) -> str:
        versions = {VERSION, bases.debian_version()}
        wheels = [images.wheels(one, wanted) for one in versions for wanted in (REQUIREMENTS, OWN)]
        image = self.store.build(context, name, arguments=arguments, wheels=wheels)
        return json.dumps(asdict(image), default=str)

    def _once(self, name: str, make: Callable[[str], str]) -> str:
        """Return what `make` returned the first time."""
        note = self.store.folder / f"{name}.note"
        with (self.store.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not note.exists():
                note.write_text(make(name))
            return note.read_text()


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Images]:
    """Open the store of images in a folder; the last to leave it clears it."""
    folder.mkdir(exist_ok=True)
    with (folder.parent / f"{folder.name}.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        store = images.Store(folder)
        yield Images(store)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            store.clear()
