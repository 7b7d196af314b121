"""A stand-in for AWS's managed Python runtimes: what is in /var/runtime, after public copies of it.

AWS's own files cannot be downloaded but with its images. These do the same in our own words: the
first honours AWS_LAMBDA_EXEC_WRAPPER, the second lays out `sys.path` and starts AWS's client.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from snapboot_devkit.package import store
from snapboot_devkit.package.contents import dependencies
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import managed
from snapboot_devkit.package.outputs.sealing import Worker
from snapboot_devkit.package.process import run
from snapboot_devkit.package.target import Target, parse_version

# What /var/runtime has; boto3 brings botocore, s3transfer, jmespath, dateutil, six and urllib3.
PACKAGES: Final = ("awslambdaric>=4.2.2", "boto3", "snapshot-restore-py")
# Where the interpreter is, in the folder that stands for /var/runtime.
_LANGUAGE: Final = ".lang/bin/python{}"
_VENV_S: Final = 120.0
BOOTSTRAP: Final = "bootstrap"
NAME: Final = re.compile(r"python(3\.\d+)")

_BOOTSTRAP: Final = """\
    #!/bin/sh
    export AWS_EXECUTION_ENV=AWS_Lambda_{name}
    if [ -z "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        exec "{python}" "{folder}/bootstrap.py"
    elif [ ! -f "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: does not exist"
        exit 127
    elif [ ! -x "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"
        exit 126
    fi
    exec "$AWS_LAMBDA_EXEC_WRAPPER" "{python}" "{folder}/bootstrap.py"
    """
_SCRIPT: Final = """\
    import os
    import site
    import sys

    import awslambdaric.__main__ as awslambdaricmain


    def main():
        packages = "lib/python{}.{}/site-packages".format(*sys.version_info[:2])
        task_root = os.environ["LAMBDA_TASK_ROOT"]
        site_folders = [task_root]
        if "PYTHONPATH" not in os.environ:
            if sys.version_info >= (3, 11):
                sys.path.insert(0, os.path.join(sys.prefix, packages))
            layers = [os.path.join("/opt/python", packages), "/opt/python"]
            sys.path[:0] = layers
            site_folders += layers
        sys.path.insert(0, task_root)
        for folder in site_folders:
            site.addsitedir(folder)
        os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])
        awslambdaricmain.main([task_root, os.environ["_HANDLER"]])


    if __name__ == "__main__":
        main()
    """


@dataclass(frozen=True, slots=True)
class ManagedRuntime:
    """A managed runtime on this machine: its `/var/runtime`, and its interpreter."""

    name: str
    folder: Path
    python: Path

    @property
    def command(self) -> list[str]:
        """What Lambda starts."""
        return [str(self.folder / BOOTSTRAP)]


def prepared(name: str) -> ManagedRuntime:
    """Return a runtime by its name, `python3.13`, installed once for all. Raises PackageError."""
    found = NAME.fullmatch(name)
    if found is None:
        raise PackageError(
            f"{name!r} is not one of AWS's Python runtimes; give one such as python3.13"
        )
    version = parse_version(found[1])
    program, machine = managed.program(found[1]), managed.native()
    if program is None or machine is None:
        raise PackageError(
            f"the runtime {name} requires Python {found[1]}, on Linux; install it: "
            f"uv python install {found[1]}"
        )
    python = program.resolve()
    wanted = hashlib.sha256(repr((str(python), PACKAGES, _BOOTSTRAP, _SCRIPT)).encode())
    cache = store.folder()
    if cache is None:
        raise PackageError(
            f"cannot keep the runtime {name}: there is no home folder; name one in XDG_CACHE_HOME"
        )
    folder = cache / f"{name}-{wanted.hexdigest()[:16]}"
    if not folder.is_dir():
        _fill(folder, name, python, Target(version, machine))
    return ManagedRuntime(name, folder, folder / _LANGUAGE.format(found[1]))


def _fill(folder: Path, name: str, python: Path, target: Target) -> None:
    """Install the packages into a folder, which is there as a whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    except OSError as exc:
        raise PackageError(
            f"cannot keep the runtime {name} in {str(folder.parent)!r}: {exc.strerror}; "
            "name another folder in XDG_CACHE_HOME"
        ) from exc
    try:
        dependencies.install(Requirements(PACKAGES, f"the runtime {name}"), target, scratch)
        Worker(python).compile(scratch, str(folder))
        # With no packages: those of this machine's interpreter are not Lambda's.
        venv = [str(python), "-m", "venv", "--without-pip", str(scratch / ".lang")]
        done = run(venv, limit_s=_VENV_S)
        if done.status:
            raise PackageError(
                f"{str(python)!r} cannot create a virtual environment: {done.errors}"
            )
        interpreter = folder / _LANGUAGE.format(target.version)
        write_scripts(scratch, name, str(interpreter), str(folder))
        scratch.chmod(0o755)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_scripts(folder: Path, name: str, python: str, place: str | None = None) -> None:
    """Write what is started in /var/runtime into a folder, which will be at `place`.

    `name` is the runtime's, `python3.13`; `python` is the path of its interpreter there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _BOOTSTRAP.format(name=name, python=python, folder=place or folder)
    (folder / BOOTSTRAP).write_text(textwrap.dedent(text), "utf-8")
    (folder / BOOTSTRAP).chmod(0o755)
    (folder / f"{BOOTSTRAP}.py").write_text(textwrap.dedent(_SCRIPT), "utf-8")
