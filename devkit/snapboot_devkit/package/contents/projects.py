"""Where a project names the packages that it needs: files of pip, uv and Pipenv.

What is not read here is named, with the command that makes a file of it that is.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.contents.resolver import reason, uv_run
from snapboot_devkit.package.errors import PackageError

_PIP: Final = "requirements.txt"
_UV: Final = "uv.lock"
_PROJECT: Final = "pyproject.toml"
_PIPENV: Final = "Pipfile.lock"
# Files that are not read, and what makes one of them that is.
_EXPORTS: Final = {
    "poetry.lock": "poetry export --only main --without-hashes --output requirements.txt",
    "pdm.lock": "pdm export --prod --without-hashes --output requirements.txt",
    "Pipfile": "pipenv lock",
    "environment.yml": "conda list --export, without what is not a Python package,",
    "setup.py": "uv pip compile setup.py --output-file requirements.txt",
    "setup.cfg": "uv pip compile setup.cfg --output-file requirements.txt",
}
_POETRY: Final = "poetry lock && poetry self add poetry-plugin-export && "
# A line of an exported file that is a folder of the project's own.
_OWN: Final = re.compile(r"^(?:-e )?(?P<path>\.{1,2}(?:/\S*)?|/\S+|file://\S+)(?P<rest>.*)$")


def find(source: Path, given: Path | None, scratch: Path) -> Requirements | None:
    """Return a function's requirements, or None when nothing names any. Raises PackageError.

    What is given comes first; then what the source's folder has, and the folder above it. Files
    that are made of others go into the folder `scratch`.
    """
    if given is not None:
        if not given.is_file():
            raise PackageError(f"there is no requirements file {str(given)!r}; see --requirements")
        return _read(given, scratch)
    source = source.resolve()
    return _in(source, scratch) or _above(source, scratch)


def _read(given: Path, scratch: Path) -> Requirements | None:
    """Return what a file that was named asks for, whichever of those known here it is."""
    if given.name == _PIPENV:
        return _pipenv(given, scratch)
    if given.name == _UV:
        return _locked(given.parent.resolve(), given.parent.resolve(), scratch)
    if command := _EXPORTS.get(given.name):
        raise _unread(given, command)
    return Requirements(("--requirements", str(given)), repr(given.name))


def _in(folder: Path, scratch: Path) -> Requirements | None:
    if (folder / _PIP).is_file():
        return _read(folder / _PIP, scratch)
    project = folder / _PROJECT
    table = _table(project) if project.is_file() else {}
    if project.is_file() and (root := _locked_above(folder)):
        return _locked(folder, root, scratch)
    if (folder / _PIPENV).is_file():
        return _pipenv(folder / _PIPENV, scratch)
    # These lock what `pyproject.toml` has a looser word of.
    for name in ("poetry.lock", "pdm.lock"):
        if (folder / name).is_file():
            raise _unread(folder / name, _EXPORTS[name])
    if _dependencies(table, project):
        return Requirements(("--requirements", str(project)), repr(_PROJECT))
    if "dependencies" in _inner(table, "tool", "poetry"):
        raise _unread(project, _POETRY + _EXPORTS["poetry.lock"])
    for name in ("Pipfile", "environment.yml", "setup.py", "setup.cfg"):
        if (folder / name).is_file() and not table:
            raise _unread(folder / name, _EXPORTS[name])
    return None


def _above(source: Path, scratch: Path) -> Requirements | None:
    """Return what the folder above names, if it is the project's: SAM, Serverless, `src/`."""
    folder = source.parent
    marks = (_PROJECT, "template.yaml", "template.yml", "serverless.yml", "samconfig.toml", ".git")
    if not any((folder / mark).exists() for mark in marks):
        return None
    found = _in(folder, scratch)
    if found is None:
        return None
    name = found.origin.strip("'")
    return Requirements(found.arguments, f"'../{name}'")


def _table(project: Path) -> dict[str, Any]:
    try:
        with project.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, ValueError, RecursionError) as exc:
        raise PackageError(f"cannot read {str(project)!r}: {exc}; correct it") from exc
    if not isinstance(table.get("project", {}), dict):
        raise PackageError(
            f"cannot read {str(project)!r}: 'project' is {table['project']!r} and no table; "
            "correct it"
        )
    return table


def _dependencies(table: dict[str, Any], project: Path) -> bool:
    named = table.get("project", {})
    if named.get("dependencies"):
        return True
    if "dependencies" in named.get("dynamic", ()):
        raise _unread(project, f"uv pip compile {_PROJECT} --output-file requirements.txt")
    return False


def _inner(table: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = table.get(name)
        table = inner if isinstance(inner, dict) else {}
    return table


def _unread(path: Path, command: str) -> PackageError:
    return PackageError(
        f"{str(path)!r} is not read by the packager: in its folder run '{command}'"
        + ("" if path.name == "Pipfile" else ", and name the file by --requirements")
    )


def _locked_above(folder: Path) -> Path | None:
    """Return the folder of the lock: a member of a workspace has that of its root."""
    if (folder / _UV).is_file():
        return folder
    for above in folder.parents:
        if (above / _UV).is_file() and (above / _PROJECT).is_file():
            workspace = _inner(_table(above / _PROJECT), "tool", "uv", "workspace")
            return above if _is_member(folder, above, workspace) else None
    return None


def _is_member(folder: Path, root: Path, workspace: dict[str, Any]) -> bool:
    def matches(key: str) -> bool:
        patterns = [str(pattern) for pattern in workspace.get(key, ())]
        return any(folder in root.glob(pattern) for pattern in patterns if pattern)

    return matches("members") and not matches("exclude")


def _locked(folder: Path, root: Path, scratch: Path) -> Requirements:
    exported = scratch / _PIP
    done = uv_run([
        "export", "--project", str(folder), "--frozen", "--no-dev", "--no-emit-project",
        "--no-header", "--no-annotate", "--no-editable", "--quiet",
        "--output-file", str(exported),
    ], cwd=root)  # fmt: skip
    if done.status:
        raise PackageError(
            f"cannot read {str(root / _UV)!r}: {reason(done.errors)}; "
            "lock it again (uv lock), or name a file by --requirements"
        )
    lines = exported.read_text("utf-8").splitlines()
    built = [_built(line, root, scratch) for line in lines]
    exported.write_text("".join(f"{line}\n" for line in built), "utf-8")
    return Requirements(("--requirements", str(exported)), repr(_UV))


def _built(line: str, root: Path, scratch: Path) -> str:
    """Return a line with the wheel of a member of the workspace in the place of its folder."""
    found = _OWN.match(line)
    if not found:
        return line
    path = Path(root, found["path"].removeprefix("file://")).resolve()
    if not path.is_dir():
        return line
    wheels = scratch / "members" / path.name
    done = uv_run(["build", "--wheel", "--out-dir", str(wheels), str(path)], cwd=root)
    made = sorted(wheels.glob("*.whl"))
    if done.status or not made:
        raise PackageError(
            f"cannot build {str(path)!r}, a member of the workspace: {reason(done.errors)}"
        )
    return f"{made[-1]}{found['rest']}"


def _pipenv(lock: Path, scratch: Path) -> Requirements:
    """Return what a `Pipfile.lock` has pinned, as lines of pip's."""
    try:
        document = json.loads(lock.read_bytes())
        packages = document["default"]
        sources = document["_meta"].get("sources", [])
        lines = [f"--extra-index-url {one['url']}" for one in sources if not _is_pypi(one["url"])]
        lines += [_pinned(name, entry) for name, entry in sorted(packages.items())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise PackageError(
            f"cannot read {str(lock)!r}: {type(exc).__name__}: {exc}; lock it again (pipenv lock)"
        ) from exc
    exported = scratch / _PIP
    exported.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return Requirements(("--requirements", str(exported)), repr(lock.name))


def _is_pypi(url: str) -> bool:
    return url.rstrip("/").endswith("pypi.org/simple")


def _pinned(name: str, entry: dict[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    if "version" not in entry:
        raise ValueError(f"{name!r} has no version: it is not from an index")
    markers = f" ; {entry['markers']}" if entry.get("markers") else ""
    return f"{name}{extras}{entry['version']}{markers}"
