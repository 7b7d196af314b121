""".pth files: what they have the interpreter do at each start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.checks.finding import Finding, note, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject

# `.start` files are those of PEP 829, from Python 3.15 on.
_SUFFIXES: Final = (".pth", ".start")
_CODE: Final = ("import ", "import\t")
# Part of setuptools, which Chalice and Zappa need. It costs less than a millisecond.
_COMES_WITH_SETUPTOOLS: Final = frozenset({"distutils-precedence.pth"})
_SHOWN_CHARACTERS: Final = 80
_COST: Final = "reading it takes part of a millisecond"


def check(subject: Subject) -> Iterator[Finding]:
    """Find the files in the folders where the runtime looks for them, and say what they do.

    Both runtimes read those in the function's own folder, too.
    """
    for entry in subject.package.files:
        if entry.folder in subject.layout.roots and entry.name.endswith(_SUFFIXES):
            yield _finding(subject, entry.path)


def _finding(subject: Subject, path: str) -> Finding:
    lines = [line.strip() for line in subject.package.text(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    code = [line for line in lines if line.startswith(_CODE) or path.endswith(".start")]
    if code:
        report = note if path.rpartition("/")[2] in _COMES_WITH_SETUPTOOLS else warning
        return report(
            "site-file",
            path,
            f"it runs code at every start, before the handler is imported: "
            f"{code[0][:_SHOWN_CHARACTERS]!r}; {_COST}, and the code its own time",
            f"leave it out if the function does not need what it does ({subject.owner(path)})",
        )
    paths = ", ".join(repr(line[:_SHOWN_CHARACTERS]) for line in lines) or "nothing"
    return note(
        "site-file",
        path,
        f"it adds to the path: {paths}; {_COST}",
        "leave it out, or put the modules where they are found without it",
    )
