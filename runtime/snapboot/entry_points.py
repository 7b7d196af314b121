"""Entry points out of the module archive: parsed when the function was packaged.

`importlib.metadata` (and `importlib_metadata`, of which it came) opens and parses a file of each
distribution whenever entry points are asked for. Which distributions there are is looked up as
ever; of those in a sealed folder it gets here what it would make of the file.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .archive import ModuleArchive, Table


def install(metadata: "ModuleType", archive: "ModuleArchive", table: "Table") -> None:
    """Have the distributions of sealed folders find their entry points."""
    base, own = metadata.Distribution, metadata.PathDistribution
    entry_point, entry_points = metadata.EntryPoint, metadata.EntryPoints
    read_text, parse = own.read_text, entry_points._from_text_for  # noqa: SLF001
    original = base.entry_points
    known = {
        f"{archive.placed(home)}/{name}": points
        for home, distributions in table[1].items()
        for name, points in distributions.items()
    }

    def of_distribution(self: "Any") -> "Any":
        points = None
        if (
            type(self) is own
            and len(vars(self)) == 1  # its path alone
            and own.read_text is read_text
            and metadata.EntryPoint is entry_point
            and metadata.EntryPoints is entry_points
            and entry_points._from_text_for == parse  # noqa: SLF001
        ):
            points = known.get(str(self._path))
        if points is None:
            return original.fget(self)
        return entry_points(entry_point(*point)._for(self) for point in points)  # noqa: SLF001

    base.entry_points = property(of_distribution, doc=original.__doc__)
