"""What the tests of the packager have in common: functions, wheels made here, an interpreter."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.package.checks import sizes
from snapboot_devkit.package.checks.contents import opened
from snapboot_devkit.package.checks.distributions import Owners, distributions
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import layout
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import interpreter, managed
from snapboot_devkit.package.target import Target

DEADLINE_S = 300
# Builds a project of one module, by the standard library alone.
_BACKEND = """
import os, zipfile
def get_requires_for_build_wheel(settings=None): return []
def build_wheel(folder, settings=None, metadata=None):
    if os.path.exists("needs_gcc"):
        raise SystemExit("error: command 'gcc' failed: No such file or directory")
    name = "NAME-1.0-py3-none-any.whl"
    info = "NAME-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("NAME.py", "VERSION = '1.0'")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", f"NAME.py,,\\n{info}/METADATA,,\\n")
    return name
"""
HELLO = "def handler(event, context):\n    return {'hello': event}\n"


def filled(root, files):
    """Write files, by their names, into a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def wheel(folder, name, version="1.0", *, tag="py3-none-any", files=None, scripts=""):
    """Make a wheel as an index would have it."""
    info = f"{name}-{version}.dist-info"
    content = {f"{name}.py": f"VERSION = {version!r}\n"} if files is None else dict(files)
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if scripts:
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
    rows = [f"{path},{_digest(text)},{len(text)}" for path, text in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return folder


def buildable(name):
    """Return the files of a project whose wheel is built without anything from elsewhere."""
    return {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n',
        "backend.py": _BACKEND.replace("NAME", name),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }


def sdist(folder, name, *more):
    """Make a source distribution of a module, as an index would have it."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for path, text in {**buildable(name), **dict.fromkeys(more, "")}.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def _digest(text):
    content = text if isinstance(text, bytes) else text.encode()
    return (
        f"sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')}"
    )


def target():
    """Return this interpreter's version on this machine; skip where Lambda has no such machine."""
    native = managed.native()
    if native is None:
        pytest.skip("packages with an interpreter are made on Linux")
    return Target(sys.version_info[:2], native)


def own_interpreter():
    """Return the interpreter that the tests run with, without its virtual environment.

    By its program: several versions may share a prefix.
    """
    try:
        return interpreter.at(Path(sys.executable).resolve(), native=target().architecture)
    except PackageError as exc:
        pytest.skip(f"this interpreter cannot be packaged: {exc}")


def snapboot(*arguments, within=(), **settings):
    """Run the command to its end, by the program that it is to run `within`."""
    settings = {"capture_output": True, "text": True, "timeout": DEADLINE_S} | settings
    command = [*within, sys.executable, "-m", "snapboot_devkit", *map(str, arguments)]
    return subprocess.run(command, check=False, **settings)


def parts(folder):
    """Return the sizes of what a folder consists of."""
    package = opened(FolderStore(folder))
    places = layout(package, image=False)
    return sizes.by_owner(package, Owners(distributions(package, places), places))
