"""Print the tables that the README and docs/ hold: `python -m tests.contract`."""

from __future__ import annotations

import sys

from tests.contract import markdown


def main() -> None:
    """Write all tables to stdout."""
    sys.stdout.write(
        f"## Differences from awslambdaric 4.2.2\n\n{markdown.differences()}\n"
        f"## Differences of the host from AWS's emulator\n\n{markdown.host_differences()}\n"
        f"## Faults of the Runtime API\n\n{markdown.faults()}"
    )


if __name__ == "__main__":
    main()
