"""botocore's models out of the module archive: parsed when the function was packaged.

`botocore.loaders` reads them from JSON files, and looks into some 400 folders to know which
services there are. Here it gets what it would make of the files that Function Init reads, and each
call gets a document of its own, as it would from a file. Whatever else is asked for goes the
loaders' own way: other folders and services, classes of other people, functions that were replaced.

The documents are pickled: they are made of OrderedDicts, which `marshal` does not know, and to make
those of dicts takes as long as to parse the JSON.
"""

import builtins
from _pickle import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .archive import ModuleArchive, Table

    # Services by type, versions by "service/type", and extension and number of a document by
    # "service/version/type".
    Lists = dict[str, tuple[str, ...]]
    Folder = tuple[Lists, Lists, dict[str, tuple[str, int]]]


def install(loaders: "ModuleType", archive: "ModuleArchive", table: "Table") -> None:
    """Have `botocore.loaders` find what was sealed for it."""
    loader, reader = loaders.Loader, loaders.JSONFileLoader
    read_file = reader.load_file
    list_services, list_versions = loader.list_available_services, loader.list_api_versions

    def load_file(self: "Any", file_path: "Any") -> "Any":
        document = sealed.document(self, file_path)
        return read_file(self, file_path) if document is None else document

    def list_available_services(self: "Any", type_name: str) -> "Any":
        return sealed.union(self, 0, type_name) or list_services(self, type_name)

    def list_api_versions(self: "Any", service_name: str, type_name: str) -> "Any":
        known = sealed.union(self, 1, f"{service_name}/{type_name}")
        return known or list_versions(self, service_name, type_name)

    reader.load_file = load_file
    loader.list_available_services = loaders.instance_cache(list_available_services)
    loader.list_api_versions = loaders.instance_cache(list_api_versions)
    sealed = Sealed(loaders, archive, table)


class Sealed:
    """What was sealed of the folders that botocore's loaders look into."""

    def __init__(self, loaders: "ModuleType", archive: "ModuleArchive", table: "Table") -> None:
        places, sealed = table
        self._loaders = loaders
        self._archive = archive
        self._folders: dict[str, Folder] = {
            archive.placed(home): folder for home, folder in sealed.items()
        }
        # By what the loader asks for: the path of the file without its extension.
        self._documents = {
            f"{home}/{name}": (f"{home}/{name}{extension}", places[number])
            for home, (_, _, files) in self._folders.items()
            for name, (extension, number) in files.items()
        }
        self._means = self._means_now()

    def _means_now(self) -> "tuple[Any, ...]":
        """Return what the loaders find and read files with."""
        loaders = self._loaders
        os, json, loader, reader = loaders.os, loaders.json, loaders.Loader, loaders.JSONFileLoader
        return (
            *(os, os.listdir, os.path, os.path.isdir, os.path.isfile, json, json.loads),
            *(loaders.OrderedDict, vars(loaders).get("open"), builtins.open),
            *(reader.exists, reader.load_file, getattr(reader, "_load_file", None)),
            *(loader._potential_locations, *getattr(loaders, "_JSON_OPEN_METHODS", {}).items()),  # noqa: SLF001
        )

    def _is_own(self, reader: object) -> bool:
        """Whether this reads files as botocore's own class does."""
        own = self._loaders.JSONFileLoader
        return type(reader) is own and not vars(reader) and self._means_now() == self._means

    def document(self, reader: object, path: object) -> "Any":
        """Return a document; None for one that the reader is to read itself."""
        found = self._documents.get(path) if type(path) is str else None
        if found is None or not self._is_own(reader):
            return None
        file, place = found
        content = self._archive.content(place, f"what stands for {file!r}")
        if content is None:
            return None
        self._loaders.logger.debug("Loading JSON file: %s", file)
        return loads(content)

    def union(self, loader: "Any", which: int, key: str) -> "list[str]":
        """Return what all folders of a loader have together; nothing if that is not known."""
        # What the lists go by, and may be a subclass's or an object's own.
        own, its = self._loaders.Loader._potential_locations, loader._potential_locations  # noqa: SLF001
        if getattr(its, "__func__", None) is not own or not self._is_own(loader.file_loader):
            return []
        found: set[str] = set()
        for path in loader.search_paths:
            if self._loaders.os.path.isdir(path):
                folder = self._folders.get(path)
                known: Any = None if folder is None else folder[which].get(key)
                if known is None:
                    return []
                found.update(known)
        return sorted(found)
