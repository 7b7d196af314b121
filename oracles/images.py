"""Container images, built for real by buildah: no daemon, no registry, no container engine.

Everything is in one folder, a store, and is deleted with it. `vfs` keeps a layer as a plain folder,
and `chroot` is all the isolation a build gets, so this works within a container, too, for root.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oracles import cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TIMEOUT_S: Final = 600
# Where a build sees folders of wheels.
WHEELS: Final = "/run/wheels"
_LAST_LINES: Final = 15


class BuildError(Exception):
    """A build failed, with its last words. What is wrong is the Dockerfile's, or its context's."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a store; `config` is as the OCI's image format has it."""

    name: str
    config: Mapping[str, Any] = field(repr=False)
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a container starts with."""
        return dict(pair.split("=", 1) for pair in self.config.get("Env", ()))

    def command(self, *arguments: str) -> list[str]:
        """Return what `docker run IMAGE ARGUMENTS` starts."""
        return [*self.config["Entrypoint"], *(arguments or self.config.get("Cmd", ()))]


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of images. `folder` is empty at first; `clear` leaves nothing of it."""

    folder: Path

    def __post_init__(self) -> None:
        """Raise OracleUnavailable where nothing can be built."""
        require()

    def add(self, roots: Iterable[Path], name: str) -> str:
        """Make an image of folders laid over each other; return its name as FROM takes it."""
        container = self._run("from", "scratch").strip()
        for root in roots:
            self._run("add", "--quiet", container, str(root), "/")
        # What a base says of the folders that commands are found in.
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._run("config", "--env", f"PATH={path}", container)
        self._run("commit", "--quiet", "--rm", container, name)
        return f"localhost/{name}"

    def build(
        self,
        context: Path,
        name: str,
        *,
        file: Path | None = None,
        arguments: Mapping[str, str] | None = None,
        wheels: Iterable[Path] = (),
    ) -> Image:
        """Build a context with its Dockerfile, or another `file`. Raises BuildError.

        With folders of `wheels` its pip sees these and nothing else, if the Dockerfile takes the
        secret `pip.conf`.
        """
        options = [f"--build-arg={key}={value}" for key, value in (arguments or {}).items()]
        options += [f"--file={file}"] if file else []
        options += self._offered(wheels)
        self._run(
            *("build", "--isolation=chroot", "--network=host", "--layers=false"),
            *(f"--tag={name}", *options, str(context)),
        )
        return self.image(name)

    def image(self, name: str) -> Image:
        """Return an image of the store, its root folder there to be read."""
        description = json.loads(self._run("inspect", "--type=image", name))
        container = self._run("from", "--pull-never", f"localhost/{name}").strip()
        root = Path(self._run("mount", container).strip())
        return Image(name, description["OCIv1"]["config"], root)

    def layers(self, name: str) -> int:
        """Return how many layers an image has."""
        description = json.loads(self._run("inspect", "--type=image", name))
        return len(description["OCIv1"]["rootfs"]["diff_ids"])

    def layer_bytes(self, name: str) -> int:
        """Return what the image's layers take as a registry keeps them, gzipped."""
        target = self.folder / f"{name}.pushed"
        self._run("push", "--quiet", "--format=oci", f"localhost/{name}", f"oci:{target}")
        index = json.loads((target / "index.json").read_text())
        manifest = json.loads(_blob(target, index["manifests"][0]["digest"]).read_text())
        shutil.rmtree(target)
        return sum(layer["size"] for layer in manifest["layers"])

    def clear(self) -> None:
        """Remove every image and container."""
        self._run("rm", "--all")  # and unmount what a build that was killed may have left
        shutil.rmtree(self.folder, ignore_errors=True)

    def _offered(self, wheels: Iterable[Path]) -> list[str]:
        """Return the options that give a build wheels, and that have its pip look nowhere else."""
        places = {f"{WHEELS}/{folder.name}": folder for folder in wheels}
        if not places:
            return []
        configuration = self.folder / "pip.conf"
        words = " ".join(places)
        configuration.write_text(f"[global]\nno-index = true\nfind-links = {words}\n")
        volumes = [f"--volume={folder}:{place}:ro" for place, folder in places.items()]
        return [f"--secret=id=pip.conf,src={configuration}", *volumes]

    def _run(self, *arguments: str) -> str:
        places = (f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}")
        command = ["buildah", *places, "--storage-driver=vfs", *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise BuildError(f"{' '.join(arguments)!r} took more than {TIMEOUT_S} s") from exc
        if done.returncode:
            words = (done.stdout + done.stderr).splitlines()[-_LAST_LINES:]
            raise BuildError("\n".join([f"{' '.join(arguments)!r} failed:", *words]))
        return done.stdout


def wheels(version: str, requirements: Sequence[str]) -> Path:
    """Return a folder of what requirements take as wheels for a Python version, such as `3.11`.

    Raises OracleUnavailable.
    """
    wanted = ",".join(sorted(requirements))
    name = f"wheels-{version}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    return cache.entry(name, functools.partial(_download, version, requirements))


def _download(version: str, requirements: Sequence[str], target: Path) -> None:
    options = ("--only-binary=:all:", f"--python-version={version}", f"--dest={target}")
    cache.pip(sys.executable, ["download", "--quiet", *options, *requirements])


@functools.cache
def require() -> None:
    """Raise OracleUnavailable where no image can be built."""
    if os.geteuid():
        raise cache.OracleUnavailable("only root can build images here. Run this as root")
    if not shutil.which("buildah"):
        raise cache.OracleUnavailable(
            "there is no 'buildah' here. Install it, on Debian with 'apt-get install buildah'"
        )


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")
