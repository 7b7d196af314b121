"""Every sample of one scenario on one interpreter, as JSON, with all that bears on it.

It is written after each round, so that a failure in the last round loses nothing of the others,
beside the recording before it, whose place it takes when it is complete.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.samples import Sample

FORMAT = 2
# Those whose interpreters are named by their version alone.
PLAIN_BUILDERS = ("pyenv", "other")
SUFFIX = ".json"
UNFINISHED = ".unfinished"


class RecordingError(Exception):
    """A file is no recording that this version reads; measure again, or render it where it was."""


@dataclass(slots=True)
class Recording:
    """What was measured, where, and every sample. `flags` are those of the command line.

    `seconds` is how long all of it took, with what was laid out first.
    """

    scenario: str
    started: str
    machine: dict[str, Any]
    interpreter: dict[str, Any]
    commit: dict[str, Any]
    flags: dict[str, Any]
    contenders: list[dict[str, str]]
    warnings: list[str] = field(default_factory=list)
    seconds: float | None = None
    samples: list[Sample] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Recording {self.file_name} {len(self.samples)} samples>"

    @property
    def file_name(self) -> str:
        """The name it is kept under, one for each scenario and interpreter."""
        return f"{self.stem}{SUFFIX}"

    @property
    def stem(self) -> str:
        """What its files are called; a distribution's interpreter is named."""
        return stem(self.scenario, self.interpreter)

    @property
    def version(self) -> str:
        """The interpreter's version."""
        return str(self.interpreter["version"])

    @property
    def build(self) -> str:
        """The interpreter's version, and who built it."""
        return stem("", self.interpreter)

    def of(self, contender: str) -> list[Sample]:
        """Return the contender's samples, in the order they were taken."""
        return [sample for sample in self.samples if sample.contender == contender]

    def save(self, folder: Path) -> Path:
        """Write it into `folder`, in place of an earlier one, whole or not at all."""
        return self.save_unfinished(folder).replace(folder / self.file_name)

    def save_unfinished(self, folder: Path) -> Path:
        """Write what there is so far beside the recording that it will replace."""
        path = folder / f"{self.stem}{UNFINISHED}"
        partial = path.with_suffix(".partial")
        partial.write_text(to_json(self), encoding="utf-8")
        return partial.replace(path)


def stem(scenario: str, interpreter: Mapping[str, Any]) -> str:
    """Return what a recording's files are called; a distribution's interpreter is named."""
    builder = interpreter.get("builder", PLAIN_BUILDERS[0])
    build = "" if builder in PLAIN_BUILDERS else f"-{builder.lower()}"
    return f"{scenario}-{interpreter['version']}{build}"


def to_json(recording: Recording) -> str:
    """Return the recording's JSON, a line for each sample, so that versions can be compared."""
    head = {"format": FORMAT, **asdict(recording)}
    rows: Sequence[dict[str, Any]] = head.pop("samples")
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    opening = json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}")
    return f'{opening},\n  "samples": [\n{lines}\n  ]\n}}\n'


def load(path: Path) -> Recording:
    """Read a recording. Raises `RecordingError` for a file that is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document.pop("format")
        scenario = SCENARIOS[document["scenario"]]
        samples = [scenario.sample(**_tuples(row)) for row in document.pop("samples")]
        recording = Recording(**document, samples=samples)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"cannot read {str(path)!r} as a recording ({error!r}); measure again"
        raise RecordingError(msg) from error
    if found != FORMAT:
        msg = f"cannot read {str(path)!r}: its format is {found!r}, not {FORMAT!r}; measure again"
        raise RecordingError(msg)
    return recording


def load_all(folder: Path) -> list[Recording]:
    """Read every recording in `folder`, those of one interpreter in the order of the scenarios.

    The interpreter with the most recordings comes first; of two with as many the newer one.
    """
    found = [load(path) for path in folder.glob(f"*{SUFFIX}")]
    if not found:
        msg = f"no recordings in {str(folder)!r}; run `python -m benchmarks all` to make them"
        raise RecordingError(msg)
    order = list(SCENARIOS)
    found.sort(key=lambda recording: order.index(recording.scenario))
    counts = Counter(recording.build for recording in found)
    found.sort(key=lambda one: (counts[one.build], _version_key(one.version)), reverse=True)
    return found


def _version_key(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
