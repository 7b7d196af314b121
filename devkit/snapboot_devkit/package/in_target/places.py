"""Where the folders of a package will be on Lambda."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """Folders here, each with its place there: ((folder, place), …)."""

    known: tuple[tuple[str, str], ...]

    def of(self, path: str) -> str:
        """Return where a file will be; unchanged outside of the known folders."""
        holding = [pair for pair in self.known if path.startswith(f"{pair[0]}/")]
        if not holding:
            return path
        folder, place = max(holding, key=lambda pair: len(pair[0]))
        return place + path[len(folder) :]
