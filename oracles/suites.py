"""Packages with the test suites of their authors: what judges whether a package works as loaded."""

from __future__ import annotations

import functools
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oracles import cache

PYTEST: Final = "pytest==8.4.2"


@dataclass(frozen=True, slots=True)
class Suite:
    """A release whose source distribution has tests; `needs` is what these import besides pytest.

    `modules` is how many Python modules of the package the tests load, at the least. `left_out` are
    folders of the tests that are not run.
    """

    distribution: str
    version: str
    package: str
    modules: int
    needs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


# One with data files, one with a C extension. Hypothesis draws at random, and keeps time.
DATEUTIL: Final = Suite(
    "python-dateutil", "2.9.0.post0", "dateutil", 15, ("freezegun==1.5.5",), ("property",)
)
MARKUPSAFE: Final = Suite("markupsafe", "3.0.3", "markupsafe", 1)
BOTOCORE: Final = Suite("botocore", "1.44.8", "botocore", 50, ("jsonschema==4.23.0",))


def folder(suite: Suite) -> Path:
    """Return a folder that holds the package and what its tests need, and these in `suite/tests`.

    For this interpreter. Raises OracleUnavailable.
    """
    name = f"suite-{suite.distribution}-{suite.version}-{sys.implementation.cache_tag}"
    return cache.entry(name, functools.partial(_fill, suite))


def _fill(suite: Suite, target: Path) -> None:
    release = f"{suite.distribution}=={suite.version}"
    requirements = [release, PYTEST, *suite.needs]
    cache.pip(sys.executable, ["install", "--no-compile", "--target", str(target), *requirements])
    download = target / "download"
    sources = ["download", "--no-deps", "--no-binary", ":all:", "--dest", str(download), release]
    cache.pip(sys.executable, sources)
    (packed,) = download.iterdir()
    _unpack(packed, target / "suite", suite)
    shutil.rmtree(download)


def _unpack(packed: Path, target: Path, suite: Suite) -> None:
    """Take the tests and their configuration out of a source distribution, without its package."""
    with tarfile.open(packed) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not before 3.11.4
        archive.extractall(packed.parent / "unpacked")  # noqa: S202
    (root,) = (packed.parent / "unpacked").iterdir()
    target.mkdir()
    for name in ("tests", "pyproject.toml", "setup.cfg"):
        if (root / name).exists():
            (root / name).rename(target / name)
    for name in suite.left_out:
        shutil.rmtree(target / "tests" / name)
