"""Write again what the README and docs/ take from code and recordings; `--check` only compares.

A block stands between `<!-- name -->` and `<!-- /name -->`.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import summary as summaries  # noqa: E402
from benchmarks.recording import load_all  # noqa: E402
from benchmarks.soak.summary import newest  # noqa: E402
from snapboot_devkit.cli import commands  # noqa: E402
from tests.contract import markdown  # noqa: E402
from tests.repository import architecture  # noqa: E402

RESULTS = Path("benchmarks") / "results"


def figures() -> str:
    """Return the measured figures, and how they were taken."""
    return (
        f"{summaries.summary(load_all(ROOT / RESULTS))}\nAll tables, the other interpreters and "
        f"the plots are in [{RESULTS}]({RESULTS}/tables.md).\n"
    )


def options() -> str:
    """Return the options of `snapboot invoke`, from the command itself."""
    rows = ["| option | meaning |", "| --- | --- |"]
    for option in commands.parser("invoke").options():
        default = f" (default: {option.default})" if option.default else ""
        rows.append(f"| `{option.name}` | {option.text}{default} |")
    return "\n".join(rows) + "\n"


def host() -> str:
    """Return our host's figures beside the emulator's."""
    return summaries.scenario(load_all(ROOT / RESULTS), "host")


def shipping() -> str:
    """Return what packaged functions and the image take to start."""
    return summaries.shipping(load_all(ROOT / RESULTS))


def managed() -> str:
    """Return what the wrapper takes to start, beside AWS's managed runtime."""
    return summaries.scenario(load_all(ROOT / RESULTS), "managed_init")


def soak() -> str:
    """Return what the last soak came to."""
    return newest(ROOT / RESULTS / "soak") + "\n"


def streams() -> str:
    """Return what streams, asynchronous handlers and web applications take."""
    recordings = load_all(ROOT / RESULTS)
    return "\n".join(
        f"### {name}\n\n{summaries.scenario(recordings, name)}"
        for name in ("stream", "async", "web")
    )


def libraries() -> str:
    """Return what large libraries add to a start."""
    found = summaries.scenario(load_all(ROOT / RESULTS), "libraries")
    return found or "Not recorded yet: `python -m benchmarks libraries` does it.\n"


def restore() -> str:
    """Return what a restore by a local clone takes, beside a fresh init."""
    found = summaries.scenario(load_all(ROOT / RESULTS), "restore")
    return found or "Not recorded yet: `python -m benchmarks restore` does it.\n"


BLOCKS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "figures"): figures,
    ("docs/architecture.md", "parts"): architecture.parts,
    ("docs/architecture.md", "layers"): architecture.layers,
    **{
        ("docs/architecture.md", name): partial(architecture.diagram, name)
        for name in architecture.TABLES
    },
    ("docs/local-host.md", "options"): options,
    ("docs/benchmarks.md", "host"): host,
    ("docs/benchmarks.md", "shipping"): shipping,
    ("docs/benchmarks.md", "libraries"): libraries,
    ("docs/benchmarks.md", "restore"): restore,
    ("docs/benchmarks.md", "soak"): soak,
    ("docs/benchmarks.md", "streams"): streams,
    ("docs/compatibility.md", "differences"): markdown.differences,
    ("docs/faults.md", "faults"): markdown.faults,
    ("docs/host.md", "differences"): markdown.host_differences,
    ("docs/managed-runtime.md", "figures"): managed,
}


def filled(text: str, name: str, content: str) -> str:
    """Return the text with the block's content in its place. Raises ValueError without a block."""
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(opening)
    _, ended, after = rest.partition(closing)
    if not (found and ended):
        raise ValueError(f"no block {name!r}: put {opening!r} and {closing!r} where it belongs")
    return before + opening + content.rstrip("\n") + "\n" + closing + after


def main() -> int:
    """Return 1 when `--check` finds a file that is not as it would be written."""
    stale = []
    for file in dict.fromkeys(file for file, _ in BLOCKS):
        path = ROOT / file
        old = text = path.read_text(encoding="utf-8")
        for (where, name), content in BLOCKS.items():
            if where == file:
                text = filled(text, name, content())
        if text != old:
            stale.append(file)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    print("stale:" if "--check" in sys.argv else "written:", ", ".join(stale) or "nothing")
    return bool(stale) if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
