"""Run the test suite on every CPython from 3.11 up that this machine has, this one first.

Each gets a virtual environment of its own, in `.venvs/`. Arguments go to pytest. The slow part, in
which the oracles and the clock tell more than the interpreter does, runs on this one alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST = (3, 15)
# Tells implementation and version, whatever the interpreter; 3.11 itself may not even be one.
ASK = "import sys; print(sys.implementation.name, *sys.version_info[:2])"


def candidates() -> list[Path]:
    """Return programs that may be other interpreters: from PATH, and those that pyenv keeps."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    found = [Path(path) for name in names if (path := shutil.which(name))]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*found, *sorted(kept.glob("*/bin/python3"))]


def version_of(python: Path) -> tuple[int, int] | None:
    """Return the version of a working CPython, None for anything else."""
    told = subprocess.run(
        [python, "-c", ASK], capture_output=True, text=True, check=False, timeout=60
    )
    words = told.stdout.split()
    if told.returncode or len(words) != 3 or words[0] != "cpython":
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


def environment_of(version: tuple[int, int], python: Path) -> Path:
    """Return the interpreter of a virtual environment with the project and its test tools."""
    if python == Path(sys.executable):
        return python
    folder = ROOT / ".venvs" / f"{version[0]}.{version[1]}"
    ready = folder / ".ready"
    inner = folder / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        install = [inner, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--editable", ".[test]"], cwd=ROOT, check=True)
        ready.touch()
    return inner


def main() -> int:
    """Return 0 when the suite passed everywhere."""
    failed = []
    for version, python in interpreters().items():
        name = f"Python {version[0]}.{version[1]}"
        print(f"=== {name}: {python}", flush=True)
        try:
            inner = environment_of(version, python)
        except subprocess.CalledProcessError as exc:
            print(f"=== {name} is left out: {exc}", flush=True)
            continue
        part = [] if python == Path(sys.executable) else ["-m", "not slow"]
        suite = [inner, "-m", "pytest", "-q", "-n", "2", *part, *sys.argv[1:]]
        if subprocess.run(suite, cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"=== failed on: {', '.join(failed) or 'none'}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
