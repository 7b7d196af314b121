"""What an image need not carry: literal tables of patterns, each with the reason.

What goes of the standard library, the packager's table says. Those here say where a pattern counts
from: `{packages}` are the folders of installed packages, `{scripts}` those of their commands,
`{root}` the image.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from snapboot_devkit.package.interpreters.trimming import TRIMMED

# Folders within the standard library that are not of it.
PACKAGES = {"site-packages", "dist-packages"}
# Of what is trimmed, what pip and those who build extension modules with it need.
FOR_BUILDING = {"ensurepip", "config-*", "venv/scripts", "*.a"}

# Ruled out whatever the image is for.
ALWAYS = {
    "{scripts}/idle*": "an editor",
    "{scripts}/2to3*": "a converter of Python 2 sources",
    "{scripts}/pydoc*": "reads help()",
    "{scripts}/python*-gdb.py": "for a debugger",
    "{root}/root/.cache": "caches",
    "{root}/root/.local": "the same",
    "{root}/var/cache/apk/*": "the same",
    "{root}/var/cache/apt/*.bin": "the same",
    "{root}/var/cache/apt/archives/*.deb": "the same",
    "{root}/var/cache/dnf/*": "the same",
    "{root}/var/cache/yum/*": "the same",
    "{root}/var/cache/ldconfig/*": "the same",
    "{root}/var/lib/apt/lists/*": "the same",
    "{root}/var/log/*.log": "logs of the build",
    "{root}/var/log/apt/*": "the same",
    "{root}/tmp/*": "left by the build",
    "{root}/var/tmp/*": "the same",
    "{root}/usr/share/info": "documentation",
    "{root}/usr/share/man": "the same",
    "{root}/usr/local/share/man": "the same",
    "{root}/usr/share/lintian": "for the makers of packages",
    "{root}/usr/share/locale/*/LC_MESSAGES": "translations of commands' messages",
    "{root}/lambda-entrypoint.sh": "AWS's entrypoint; ours is `bootstrap`",
    "{root}/usr/local/bin/aws-lambda-rie": "AWS's emulator; our own host is there",
}
# Needed to install packages, and not after that.
INSTALLERS = {
    "{packages}/pip": "installs packages",
    "{packages}/pip-*": "the same",
    "{packages}/setuptools": "builds packages",
    "{packages}/setuptools-*": "the same",
    "{packages}/pkg_resources": "the same",
    "{packages}/_distutils_hack": "the same",
    # A .pth file makes a start load `site`, some 3 ms.
    "{packages}/distutils-precedence.pth": "the same",
    "{packages}/wheel": "the same",
    "{packages}/wheel-*": "the same",
    "{scripts}/pip": "installs packages",
    "{scripts}/pip[0-9]*": "the same",
    "{scripts}/wheel*": "builds packages",
    "{scripts}/easy_install*": "the same",
    "{scripts}/*python3*-config": "for building extension modules",
    "{include}/python3*": "the same",
    "{libraries}/libpython*.a": "the same",
    "{libraries}/pkgconfig": "the same",
    "{root}/usr/share/python-wheels": "Debian's wheels for ensurepip and venv",
}
# What keeps pip from working in a function's Dockerfile: the image is for that function alone.
OBSTACLES = {"{stdlib}/EXTERNALLY-MANAGED": "Debian's word that packages are to come from apt"}

# Debian's sitecustomize does nothing but look for Ubuntu's crash reporter, yet a start with any
# sitecustomize loads `site`, some 3 ms.
STOCK_CUSTOMIZATION = "apport_python_hook"
LICENCE = "copyright"


def remove(*, keep_pip: bool) -> None:
    """Remove what the tables name, and all bytecode: what is there may be of any kind."""
    library = Path(sysconfig.get_path("stdlib"))
    _delete(_trimmed(library, FOR_BUILDING if keep_pip else ()))
    for table in (ALWAYS, OBSTACLES if keep_pip else INSTALLERS):
        _delete(_named(table, _places(library)))
    _delete(_stock_customization(library / "sitecustomize.py"))
    _delete(_documents(Path("/usr/share/doc")))
    _delete(_caches("/"))


def _places(library: Path) -> Mapping[str, Collection[Path]]:
    """Return the folders that the tables count from."""
    prefix = Path(sys.base_prefix)
    return {
        "stdlib": {library},
        "packages": {path for path in map(Path, sys.path) if path.name in PACKAGES},
        "scripts": {prefix / "bin", Path(sys.executable).resolve().parent},
        "include": {Path(sysconfig.get_path("include")).parent},
        "libraries": {prefix / "lib", prefix / sys.platlibdir},
        "root": {Path("/")},
    }


def _trimmed(library: Path, keep: Collection[str]) -> Iterator[Path]:
    patterns = [pattern for pattern in TRIMMED if pattern not in {*keep, *PACKAGES}]
    for folder, names, files in os.walk(library):
        names[:] = [name for name in names if name not in PACKAGES]
        for name in (*names, *files):
            path = Path(folder, name)
            inner = str(path.relative_to(library))
            if any(fnmatchcase(inner, pattern) for pattern in patterns):
                yield path


def _named(table: Iterable[str], where: Mapping[str, Collection[Path]]) -> Iterator[Path]:
    for pattern in table:
        name, _, inner = pattern.removeprefix("{").partition("}/")
        for place in where[name]:
            yield from place.glob(inner)


def _delete(found: Iterable[Path]) -> None:
    for path in list(found):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # it may have gone with the folder it was in


def _stock_customization(path: Path) -> Iterator[Path]:
    if path.exists() and STOCK_CUSTOMIZATION in path.read_text("utf-8"):
        yield from {path, path.resolve()}


def _documents(root: Path) -> Iterator[Path]:
    """Return the files below the packages' documents, but for their licences."""
    return (path for path in root.glob("*/**/*") if path.name != LICENCE and not path.is_dir())


def _caches(root: str) -> Iterator[Path]:
    """Return the folders of bytecode in the image; what is only mounted there is passed over."""
    device = Path(root).lstat().st_dev
    for folder, names, _ in os.walk(root):
        names[:] = [name for name in names if Path(folder, name).lstat().st_dev == device]
        if "__pycache__" in names:
            yield Path(folder, "__pycache__")
