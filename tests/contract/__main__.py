"""Print the tables that the README holds: `python -m tests.contract`."""

from __future__ import annotations

import sys

from tests.contract import markdown


def main() -> None:
    """Write both tables to stdout."""
    sys.stdout.write(
        f"## Differences from awslambdaric 4.2.2\n\n{markdown.differences()}\n"
        f"## Faults of the Runtime API\n\n{markdown.faults()}"
    )


if __name__ == "__main__":
    main()
