"""The layouts: how each is built, once for all test runs, and how a function starts in it.

What is built is kept in the cache under a name that its sources make, so that a change of any of them
makes a new one. Everything runs where /var/task, and what else Lambda has, is mounted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles.cache import ROOT as CACHE
from oracles.cache import entry
from tests.fakes.contenders import ROOT
from tests.shipping import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUILD_DEADLINE_S: Final = 600
TASK_ROOT: Final = "/var/task"
RUNTIME: Final = "/var/runtime"
LANGUAGE: Final = "/var/lang"
LAYERS: Final = "/opt"
OWN: Final = ".snapboot"
# As Lambda has it where no interpreter is installed (provided.al2023).
LAMBDA_PATH: Final = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
# What has not been used for this long is not used by a test run that is at work.
_STALE_S: Final = 3 * 3600
# `image/finish` as the Dockerfile runs it, but for what it removes from a base and for the folders
# of a whole base; then the mounts that it is run under.
_FINISH: Final = """
import runpy, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
finish = runpy.run_path(f"{sys.argv[1]}/__main__.py")
python = Path(sys.executable).resolve()
finish["start_with"](python)
finish["make_readable"](finish["RUNTIME"])
failed = dict(finish["compiled"](python, [Path("/var")]))
sys.exit(f"not compiled: {failed!r}" if failed else 0)
"""
_MOUNTED: Final = f"""
mount -t tmpfs none /var
mkdir {RUNTIME} {LANGUAGE}
mount --bind "$1" {RUNTIME}
mount --bind "$2" {LANGUAGE}
shift 2
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """A way in which the runtime is installed.

    `command` is what the platform runs, followed by the handler if `names_handler`, which else is
    known by its variable alone. `places` are mounted beside the function's code. `sealer` and
    `runtime` are the interpreter and the runtime's folder as they are here: what compiles the code
    and makes its module archive. Where the code `is_packed` that is done with all of it.
    """

    name: str
    command: tuple[str, ...]
    python: str
    sealer: Path
    runtime: Path
    variables: Mapping[str, str | None] = field(default_factory=dict)
    places: Mapping[str, Path] = field(default_factory=dict)
    names_handler: bool = False
    is_packed: bool = False

    def __repr__(self) -> str:
        """Name it."""
        return f"<Layout {self.name}>"


def checkout() -> Layout:
    """Return this checkout, as the host starts it."""
    return _started_by_host("checkout", sys.executable)


def wheel() -> Layout:
    """Return the wheel with the devkit, installed by pip, as its host starts it."""
    return _started_by_host("wheel", installed_python())


def module() -> Layout:
    """Return the same wheel in an image of a user's own: `python -m snapboot app.handler`."""
    host = _started_by_host("module", installed_python())
    return replace(host, command=(host.python, "-m", "snapboot"), names_handler=True)


def package() -> Layout:
    """Return a zip with an interpreter, as `snapboot package` makes it and Lambda unpacks it."""
    own = _package() / OWN
    return Layout(
        "package",
        (f"{TASK_ROOT}/bootstrap",),
        f"{TASK_ROOT}/{OWN}/python/bin/{PYTHON}",
        own / "python/bin" / PYTHON,
        own / "runtime",
        {"PATH": LAMBDA_PATH},
        {f"{TASK_ROOT}/{OWN}": own},
        is_packed=True,
    )


def image() -> Layout:
    """Return the image: the runtime in /var/runtime, finished as the Dockerfile does it."""
    folder = _image()
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8").partition("\nENV ")[2]
    variables = dict(re.findall(r"^ *(\w+)=(\S+)", dockerfile, re.MULTILINE))
    return Layout(
        "image",
        (f"{RUNTIME}/bootstrap",),
        f"{LANGUAGE}/bin/{PYTHON}",
        folder / "lang/bin" / PYTHON,
        folder / "runtime",
        variables,
        {RUNTIME: folder / "runtime", LANGUAGE: folder / "lang"},
        names_handler=True,
    )


LAYOUTS: Final[Mapping[str, Callable[[], Layout]]] = {
    build.__name__: build for build in (checkout, wheel, module, package, image)
}
NAMES: Final = tuple(LAYOUTS)


def _started_by_host(name: str, python: str) -> Layout:
    """Return what the host of the devkit in an interpreter would start."""
    asked = (
        "from snapboot_devkit import host, runtime; print(*host.FunctionConfig('app.handler')"
        ".command, runtime.find().folder)"
    )
    *command, runtime = _run([python, "-c", asked], cwd="/").split()
    path = f"{Path(python).parent}:{LAMBDA_PATH}"
    return Layout(name, tuple(command), python, Path(python), Path(runtime), {"PATH": path})


# --- building -----------------------------------------------------------------------------------


def installed_python() -> str:
    """Return the interpreter of an environment that holds the wheel with its devkit."""

    def install(folder: Path) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        python = str(folder / "bin/python")
        _run([*_UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python,
              f"snapboot[devkit] @ {_wheel().as_uri()}"])  # fmt: skip

    return str(_built("venv", _WHOLE, install) / "bin/python")


def _wheel() -> Path:
    def build(folder: Path) -> None:
        _run([*_UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)])

    (found,) = _built("wheel", _WHOLE, build).glob("*.whl")
    return found


def _package() -> Path:
    """Return a packaged function, unpacked; its code is any."""

    def build(folder: Path) -> None:
        source = folder / "source"
        source.mkdir()
        (source / "app.py").write_text("def handler(event, context): return event\n")
        made = packages.package(
            source,
            folder,
            *("--as", "zip", "--handler", "app.handler"),
            *packages.INTERPRETER,
        )
        packages.unpack(made / packages.FUNCTION, folder / "task")
        (made / packages.FUNCTION).unlink()

    return _built("package", _SHIPPED, build) / "task"


def _image() -> Path:
    def build(folder: Path) -> None:
        runtime, language = folder / "runtime", folder / "lang"
        shutil.copytree(_package() / OWN / "python", language, symlinks=True)
        sources_only = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "runtime", runtime, ignore=sources_only)
        shutil.copy2(ROOT / "bootstrap", runtime)
        shutil.copytree(ROOT / "devkit", runtime / ".devkit", ignore=sources_only)
        program = str(language / "bin" / PYTHON)
        for target, wanted in _requirements():
            _run([*_UV, "pip", "install", "--quiet", "--python", program,
                  "--target", f"{runtime}{target.removeprefix(RUNTIME)}", *wanted])  # fmt: skip
        finish = ["-BsP", "-c", _FINISH, str(ROOT / "image/finish")]
        _run(["unshare", "--mount", "sh", "-euc", _MOUNTED, "sh", str(runtime), str(language),
              f"{LANGUAGE}/bin/{PYTHON}", *finish])  # fmt: skip

    return _built("image", _IMAGE, build)


def _requirements() -> list[tuple[str, list[str]]]:
    """Return what the Dockerfile installs, and where."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    found = re.findall(r'install --target (\S+) ((?:"[^"]+" ?)+)', text)
    assert found, "the Dockerfile installs nothing for the runtime"
    return [(target, re.findall(r'"([^"]+)"', names)) for target, names in found]


_UV: Final = (sys.executable, "-m", "uv")
_SHIPPED: Final = (
    *(
        "bootstrap",
        "runtime",
        "devkit/snapboot_devkit/package",
        "devkit/snapboot_devkit/runtime.py",
    ),
    *("tests/layouts/layouts.py", "tests/shipping/packages.py"),
)
_WHOLE: Final = ("bootstrap", "runtime", "devkit", "pyproject.toml", "tests/layouts/layouts.py")
_IMAGE: Final = (*_SHIPPED, "devkit", "image", "Dockerfile")


def _built(name: str, sources: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled by the process that is first; the others wait for it."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"layouts-{name}-{sys.version_info.minor}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prefix = f"layouts-{name}-"
        _forget_stale(prefix)
        folder = entry(f"{prefix}{_key(sources)}", fill)
        os.utime(folder)
        return folder


def _forget_stale(prefix: str) -> None:
    for folder in CACHE.glob(f"{prefix}*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _key(sources: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps([sys.version, sys.base_prefix]).encode())
    for name in sources:
        found = [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*"))
        for path in found:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _run(command: Sequence[str], **settings: object) -> str:
    settings = {"capture_output": True, "text": True, "timeout": BUILD_DEADLINE_S} | settings
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(command), check=False, env=environment, **settings)
    assert done.returncode == 0, f"{command!r}: {done.stdout}{done.stderr}"
    return str(done.stdout)
