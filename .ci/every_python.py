"""Run the test suite on every CPython from 3.11 up, this one first.

Each that this machine has gets a virtual environment of its own, in `.venvs/`. The parts of the
suite that depend on the interpreter run on two kinds more: the system's own Python, which is often
an older release of its version, and the newest versions in a root folder of Debian's newest suite,
where this machine lacks them. Arguments go to pytest. The slow part, in which the oracles and the
clock matter more than the interpreter does, runs on this one alone.

The tests run real processes side by side, and on a busy machine timing can decide. So where no more
than three tests fail, these run once more, one after the other. What passes then is listed last, as
unsteady: it is to be mended, but it holds nothing up.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from oracles import OracleUnavailable, newest  # noqa: E402

OLDEST = (3, 11)
NEWEST = (3, 15)
SYSTEM = Path("/usr/bin/python3")
# What runs on the system's Python and on the newest versions: the runtime, the rules of the
# repository, and the packager.
PARTS = (
    "runtime",
    "repository",
    "benchmarks",
    "devkit/test_*package*",
    "devkit/test_*audit*",
    "devkit/test_*archive*",
)
# How many failures may be due to timing.
UNSTEADY = 3
# Prints implementation and version, of any interpreter; what is called python3.11 may not be one.
ASK = "import sys; print(sys.implementation.name, *sys.version_info[:2])"


def candidates() -> list[Path]:
    """Return programs that may be other interpreters: from PATH, and those that pyenv keeps."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    found = [Path(path) for name in names if (path := shutil.which(name))]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*found, *sorted(kept.glob("*/bin/python3"))]


def version_of(python: Path) -> tuple[int, int] | None:
    """Return the version of a working CPython, None for anything else."""
    done = subprocess.run(
        [python, "-c", ASK], capture_output=True, text=True, check=False, timeout=60
    )
    words = done.stdout.split()
    if done.returncode or len(words) != 3 or words[0] != "cpython":
        return None
    return int(words[1]), int(words[2])


def interpreters() -> dict[tuple[int, int], Path]:
    """Return one interpreter for each version, this one for its own."""
    chosen = {sys.version_info[:2]: Path(sys.executable)}
    for python in candidates():
        version = version_of(python)
        if version is not None and OLDEST <= version <= NEWEST:
            chosen.setdefault(version, python)
    return chosen


def environment_of(name: str, python: Path, prefix: Sequence[str] = ()) -> Path:
    """Return the interpreter of a virtual environment with the project and its test tools.

    `prefix` is what runs a command where `python` is.
    """
    if python == Path(sys.executable):
        return python
    folder = ROOT / ".venvs" / name
    ready = folder / ".ready"
    inner = folder / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        subprocess.run([*prefix, python, "-m", "venv", "--clear", folder], check=True)
        install = [inner, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*prefix, *install, "--editable", ".[test]"], cwd=ROOT, check=True)
        ready.touch()
    return inner


def runs() -> Iterator[tuple[str, Path, list[str], list[str]]]:
    """Give each interpreter's name and path, what runs a command there, and what pytest runs."""
    found = interpreters()
    for (major, minor), python in found.items():
        quick = [] if python == Path(sys.executable) else ["-m", "not slow"]
        yield f"{major}.{minor}", python, [], quick
    parts = [str(path) for part in PARTS for path in sorted((ROOT / "tests").glob(part))]
    parts = ["-m", "not slow", *parts]
    if SYSTEM.resolve() not in {Path(sys.base_prefix, "bin/python3").resolve(), *found.values()}:
        version = version_of(SYSTEM) if SYSTEM.exists() else None
        if version is not None and version >= OLDEST:
            yield "system", SYSTEM, [], parts
    missing = [version for version in newest.VERSIONS if version not in found]
    if not missing:
        return
    try:
        prefix = newest.entering(ROOT)
    except OracleUnavailable as exc:
        names = " and ".join(f"{major}.{minor}" for major, minor in missing)
        print(f"=== Python {names} not tested: {exc}", flush=True)
        return
    for major, minor in missing:
        yield f"{major}.{minor}", Path(f"python{major}.{minor}"), prefix, parts


def unsteady(suite: Sequence[str | Path], folder: Path) -> list[str] | None:
    """Return the tests that failed at first and pass alone, None when the suite fails."""
    first = [*suite, "-n", "3", "--cache-clear"]  # they wait for processes, too
    code = subprocess.run(first, cwd=folder, check=False).returncode
    if code == 0:
        return []
    if code != 1:  # interrupted, or no test was run
        return None
    names = list(json.loads((folder / ".pytest_cache/v/cache/lastfailed").read_text()))
    if not 0 < len(names) <= UNSTEADY:
        return None
    print(f"=== once more, alone: {', '.join(names)}", flush=True)
    alone = [*suite, "-n", "0", "--last-failed", "--last-failed-no-failures", "none"]
    return None if subprocess.run(alone, cwd=folder, check=False).returncode else names


def main() -> int:
    """Return 0 when the suite passed everywhere."""
    failed = []
    wavered = []
    for name, python, prefix, part in runs():
        print(f"=== Python {name}: {python}", flush=True)
        try:
            inner = environment_of(name, python, prefix)
        except subprocess.CalledProcessError as exc:
            print(f"=== Python {name} is left out: {exc}", flush=True)
            continue
        names = unsteady([*prefix, inner, "-m", "pytest", "-q", *part, *sys.argv[1:]], ROOT)
        if names is None:
            failed.append(f"Python {name}")
        else:
            wavered += [f"{test} (Python {name})" for test in names]
    for test in wavered:
        print(f"=== unsteady, to be mended: {test}", flush=True)
    print(f"=== failed on: {', '.join(failed) or 'none'}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
