"""Bytecode that is missing or not used, and what it costs; bytecode that is not its source's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit.modules import State, useless
from snapboot_devkit.package.audit.subject import Subject
from snapboot_devkit.package.checks.finding import Finding, Severity, counted, error, listed, note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIX: Final = "compile with unchecked hashes: snapboot audit --fix, or snapboot package"
_CODES: Final = {
    State.MISSING: ("bytecode-missing", "no bytecode"),
    State.OTHER_VERSION: ("bytecode-version", "bytecode of other Python versions alone"),
    State.STALE_TIME: (
        "bytecode-stale",
        "bytecode that is not used, as the dates are not those it was compiled with",
    ),
    State.STALE_SOURCE: (
        "bytecode-stale",
        "bytecode that is not used, as it was compiled from another source",
    ),
    State.DAMAGED: ("bytecode-damaged", "damaged bytecode"),
}
# Sources of less than this compile in some milliseconds: worth a word, but no failure. Bytes, not
# seconds, so that the same package ends the same way on every machine.
_SLOW_BYTES: Final = 10_000


def check(subject: Subject) -> Iterator[Finding]:
    """Find modules that are compiled at each cold start, by distribution."""
    totals = Counter(map(subject.owner, subject.states))
    for state, (code, words) in _CODES.items():
        paths = [path for path in subject.compiled.work.due if subject.states[path] is state]
        for owner, own in subject.grouped(sorted(paths)).items():
            yield _slow(subject, code, f"{_which(owner, own, totals)} {words}", own)
    yield from _others(subject)
    yield from _uncompilable(subject)


def _which(owner: str, own: list[str], totals: Mapping[str, int]) -> str:
    if len(own) == 1:
        return "it has"
    return f"{owner}: {len(own):,} of {totals[owner]:,} modules have"


def _slow(subject: Subject, code: str, message: str, own: list[str]) -> Finding:
    path = own[0] if len(own) == 1 else ""
    compiled = subject.compiled
    reached = [path for path in own if path in compiled.seconds]
    if not reached and compiled.work.start is not None:
        # The first import of each still compiles it, but no start comes to that.
        return Finding(code, Severity.NOTE, path, f"{message}; the start imports none of it", _FIX)
    if compiled.work.start is not None and len(reached) < len(own):
        message += f"; the start imports {counted(len(reached), 'module')} of these"
    size = sum(subject.package.entries[path].size for path in reached)
    severity = Severity.NOTE if size < _SLOW_BYTES else Severity.WARNING
    return Finding(code, severity, path, message, _FIX, sum(compiled.seconds[p] for p in reached))


def _others(subject: Subject) -> Iterator[Finding]:
    by_state: dict[State, list[str]] = {}
    for path, state in subject.states.items():
        by_state.setdefault(state, []).append(path)
    for path in by_state.get(State.OTHER_SOURCE, ()):
        yield error(
            "bytecode-mismatch",
            path,
            "its bytecode is used unchecked, and was compiled from another source: what runs is "
            "not what the file says",
            _FIX,
        )
    if dated := by_state.get(State.DATED):
        yield note(
            "bytecode-timestamps",
            "",
            f"{counted(len(dated), 'module')} have bytecode that is compared with the files' "
            "dates: a step that resets them (many packagers do) makes all of it useless",
            _FIX,
        )
    if checked := by_state.get(State.CHECKED):
        yield note(
            "bytecode-checked",
            "",
            f"{counted(len(checked), 'module')} have bytecode with checked hashes: each source is "
            "read and hashed once more at its import, some microseconds each",
            _FIX,
        )
    yield from _useless(subject)


def _useless(subject: Subject) -> Iterator[Finding]:
    """Find bytecode that has no source or is of another version: it only takes room."""
    extra = [subject.package.entries[path] for path in useless(subject.package, subject.python)]
    if extra:
        yield note(
            "bytecode-useless",
            "",
            f"{counted(len(extra), 'file')} below __pycache__ ({sum(e.size for e in extra):,} "
            f"bytes) are not of {subject.python} or of no source: {listed(e.path for e in extra)}",
            "remove them: snapboot audit --fix",
        )


def _uncompilable(subject: Subject) -> Iterator[Finding]:
    if not subject.python.measures:
        return  # another version's compiler is no judge
    for path, reason in subject.compiled.failed.items():
        message = f"{subject.python} cannot compile it: {reason}"
        remedy = "correct it, or leave it out"
        yield (note if path in subject.owned else error)("uncompilable", path, message, remedy)
