"""Packages to be audited: written from literals, as folders and as zips."""

from __future__ import annotations

import calendar
import json
import os
import py_compile
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.cli import commands
from snapboot_devkit.package.audit import AuditReport, audit

UNIX = 3
DATE = (2024, 5, 6, 7, 8, 10)
TIME = calendar.timegm((*DATE, 0, 0, 0))
ZEROED = (1980, 1, 1, 0, 0, 0)
DEADLINE_S = 60
# Long enough to be worth a warning when it has to be compiled.
LONG = "".join(f"def function_{n}(a, b=({n}, 'two')):\n    return a + b\n" for n in range(300))
TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
CHECKED = py_compile.PycInvalidationMode.CHECKED_HASH
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
TIMESTAMP = py_compile.PycInvalidationMode.TIMESTAMP


def filled(root: Path, files: dict[str, str | bytes], *, time: int = TIME) -> Path:
    """Write a folder in which every file has the same date and may be read by everybody."""
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755 if name.endswith("bootstrap") else 0o644)
        os.utime(path, (time, time))
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    return root


def compile_all(root: Path, mode: py_compile.PycInvalidationMode = UNCHECKED) -> Path:
    """Compile every module of a folder for this Python."""
    for path in root.rglob("*.py"):
        py_compile.compile(str(path), doraise=True, invalidation_mode=mode)
    for path in root.rglob("__pycache__"):
        path.chmod(0o755)
    for path in root.rglob("*.pyc"):
        path.chmod(0o644)
    return root


def zipped(root: Path, path: Path, *, date: tuple[int, ...] = DATE) -> Path:
    """Pack a folder; each entry gets the same date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for found in sorted(root.rglob("*")):
            if found.is_file():
                info = zipfile.ZipInfo(str(found.relative_to(root)), date)
                info.external_attr = found.stat().st_mode << 16
                archive.writestr(info, found.read_bytes())
    return path


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """Return the head of a zip's entry."""
    info = zipfile.ZipInfo(name, DATE)
    info.create_system = UNIX
    info.external_attr = mode << 16
    return info


def distribution(name: str, version: str, *files: str, tag: str = "py3-none-any") -> dict[str, str]:
    """Return the records of a distribution that has these files."""
    info = f"{name}-{version}.dist-info"
    rows = [*files, f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"]
    return {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "".join(f"{row},,\n" for row in rows),
    }


def codes(report: AuditReport) -> dict[str, str]:
    """Return the findings' codes, each with its worst severity."""
    worst_last = reversed(report.findings)
    return {finding.code: finding.severity.value for finding in worst_last}


def found(path: Path, code: str, **settings):
    """Audit, and return the only finding of this code."""
    findings = [one for one in audit(path, **settings).findings if one.code == code]
    assert len(findings) == 1, findings
    return findings[0]


def snapboot_audit(capfdbinary, *arguments):
    """Run the command to its end, in this process."""
    with pytest.raises(SystemExit) as ended:
        commands.main(["audit", *map(str, arguments)])
    printed = capfdbinary.readouterr()
    return subprocess.CompletedProcess(arguments, ended.value.code, printed.out, printed.err)


def as_json(capfdbinary, *arguments):
    """Run the command, and return its exit code and the document it prints."""
    done = snapboot_audit(capfdbinary, "--json", *arguments)
    return done.returncode, json.loads(done.stdout)
