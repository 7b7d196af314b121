"""What a rehearsal finds wrong: each finding names its check, and the line that caused it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.profile.environment import PhaseEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snapboot_devkit.profile.environment import Outcome
    from snapboot_devkit.rehearse.stage import Clone

# The checks by the names that --ignore takes, and what each is about.
CHECKS: Final = {
    "random": "clones draw the same numbers from random",
    "numpy": "clones draw the same numbers from numpy.random",
    "uuid1": "clones make uuid1 of the same node and sequence",
    "tempfile": "clones make the same temporary names",
    "openssl": "clones draw the same bytes from OpenSSL",
    "generators": "clones draw the same numbers from a generator of the function's own",
    "token": "clones have the same declared token",
    "sockets": "connections are still open after the hooks",
    "pipes": "pipes are open across the snapshot",
    "files": "files are open across the snapshot",
    "threads": "threads are alive at the snapshot",
    "tmp": "the snapshot has files in /tmp",
    "credentials": "credentials of the init are kept",
    "variables": "a variable of the platform's that changes is kept",
    "timestamps": "the time of the init is kept",
    "dns": "addresses that the init looked up are kept",
    "hooks": "a hook fails, hangs, is too slow or registered too late",
    "restore": "a restored environment does not serve",
}
# What only a clone of all state can show; a fork declines them.
UNIQUENESS: Final = frozenset(
    {"random", "numpy", "uuid1", "tempfile", "openssl", "generators", "token"}
)
_REMEDIES: Final = {
    "random": "leave SNAPBOOT_RESTORE_SAFETY unset, or seed it in an after-restore hook",
    "numpy": "leave SNAPBOOT_RESTORE_SAFETY unset, or seed it in an after-restore hook",
    "uuid1": "use uuid4, or leave SNAPBOOT_RESTORE_SAFETY unset",
    "tempfile": "leave SNAPBOOT_RESTORE_SAFETY unset",
    "openssl": "leave SNAPBOOT_RESTORE_SAFETY unset",
    "generators": "seed or make it in an after-restore hook",
    "token": "make it in an after-restore hook",
    "sockets": "close it in a before-snapshot hook",
    "pipes": "open it in an after-restore hook",
    "files": "close it in a before-snapshot hook",
    "threads": "stop it in a before-snapshot hook and start it in an after-restore hook",
    "tmp": "remove it in a before-snapshot hook, unless all environments may have it",
    "credentials": "ask the session for credentials when they are needed",
    "variables": "read os.environ when it is needed",
    "timestamps": "take the time in the handler or an after-restore hook",
    "dns": "look the name up when it is needed",
}
_MAX_FILES: Final = 10


@dataclass(frozen=True, slots=True)
class RehearsalFinding:
    """Something that fails the rehearsal; `where` is a file and line, as far as it is known."""

    check: str
    text: str
    where: str = ""

    @property
    def remedy(self) -> str:
        """What to do, or nothing where the text says it."""
        return _REMEDIES.get(self.check, "")


def of_failed_init(
    outcome: Outcome, hooks: Sequence[tuple[str, str, int | None]]
) -> list[RehearsalFinding]:
    """Return why there is no snapshot."""
    if hooks and hooks[-1][2] is None:
        name, where, _ = hooks[-1]
        return [
            RehearsalFinding("hooks", f"the before-snapshot hook {name}: {outcome.text}", where)
        ]
    return [RehearsalFinding("restore", f"the init failed: {outcome.text}")]


def of_snapshot(found: Iterable[tuple[str, str, str]]) -> list[RehearsalFinding]:
    """Return what was found in the process that became the snapshot."""
    return list(dict.fromkeys(RehearsalFinding(*one) for one in found))


def of_temporary_files(names: Sequence[str]) -> list[RehearsalFinding]:
    """Return what is in the function's folder for temporary files, at the snapshot."""
    if not names:
        return []
    shown = ", ".join(map(repr, names[:_MAX_FILES]))
    more = f" and {len(names) - _MAX_FILES} more" if len(names) > _MAX_FILES else ""
    return [RehearsalFinding("tmp", f"all environments start with {shown}{more} in /tmp")]


def of_clones(clones: Sequence[Clone], *, shared: bool = True) -> list[RehearsalFinding]:
    """Return what is wrong with the clones by themselves and, if `shared`, beside one another."""
    found = [one for clone in clones for one in _of_clone(clone)]
    if not shared:
        return list(dict.fromkeys(found))
    draws = [clone.draws for clone in clones if clone.draws]
    for name in {name: None for draw in draws for name in draw}:
        values = Counter(draw[name] for draw in draws if name in draw)
        same = max(values.values())
        if same > 1:
            found.append(_same(name, same, len(draws)))
    return list(dict.fromkeys(found))


def _of_clone(clone: Clone) -> list[RehearsalFinding]:
    found = [RehearsalFinding(*one) for one in clone.still_open]
    found += [
        RehearsalFinding(
            "hooks", f"the hook {name} is registered after the snapshot, and never runs", where
        )
        for name, where in clone.late
    ]
    if clone.outcome is not None:
        hook = next((one for one in reversed(clone.hooks) if one[2] is None), None)
        if hook and clone.restored_ns is None:
            found.append(
                RehearsalFinding(
                    "hooks", f"the after-restore hook {hook[0]}: {_why(clone)}", hook[1]
                )
            )
        else:
            found.append(RehearsalFinding("restore", _why(clone)))
    elif clone.function_error:
        found.append(
            RehearsalFinding("restore", f"the first invocation failed: {clone.function_error}")
        )
    return found


def _why(clone: Clone) -> str:
    assert clone.outcome is not None
    return clone.outcome.text.partition("; the hook ")[0] or PhaseEnd(clone.outcome.ended).value


def _same(name: str, same: int, clones: int) -> RehearsalFinding:
    if name.startswith("own "):
        place = name.split(" ", 2)[2]
        words, comma, where = place.removesuffix(")").rpartition(", ")
        if comma and ":" in where:
            place = f"{words})"
        else:
            where = ""
        return RehearsalFinding(
            "generators", f"{same} of {clones} clones draw the same from {place}", where
        )
    return RehearsalFinding(name, f"{same} of {clones} {CHECKS[name]}")
