"""What botocore's loader made of its files while Function Init ran, to be sealed.

For the modules' data there is a pair: the documents, each with its file, and what they are. Here
that is {folder: (services, versions, documents)}, of which `services` is {type: services},
`versions` is {"service/type": versions} and `documents` is {"service/version/type": (extension,
number of the document)}. A type is "service-2", "endpoint-rule-set-1" and the like.
Loaded by `tracing`, once the modules have been listed.
"""

import posix
import sys
from collections import OrderedDict
from pickle import dumps
from pickletools import optimize
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

    from .tracing import Data, File

EXTENSIONS = (".json", ".json.gz")
# Of what a client reads; the rest are documentation and examples.
TYPES = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2", "resources-1")
# Of the oldest interpreter that there is: the bytes are to be the same for all.
PROTOCOL = 4
PLAIN = (str, int, float, bool, type(None))


class UnknownServiceError(Exception):
    """A service was to be included that botocore does not have."""


def data(module: str, opened: "Iterable[str]", services: "Iterable[str]") -> "Data | str | None":
    """Return what was made of the opened files, and is to be made for these services.

    None without botocore; the reason, if nothing can be sealed. Raises UnknownServiceError.
    """
    loaders = sys.modules.get(module)
    if loaders is None:
        return None
    if not _is_own(loaders):
        return "its functions are not those of botocore that are known here"
    paths = list(opened)
    folders = _folders(loaders)
    for service in services:
        paths += _files(loaders, folders, service)
    files: list[File] = []
    known = {folder: _folder(loaders, folder, paths, files) for folder in folders}
    listings = [
        (folder, f"*/*/{kind}.json*") for folder, (kinds, _, _) in known.items() for kind in kinds
    ]
    return files, known, listings


def _is_own(loaders: "ModuleType") -> bool:
    """Whether the loader is as botocore has it, and none of its methods was replaced."""
    try:
        loader, reader = loaders.Loader, loaders.JSONFileLoader
        used = (
            *(loader.list_available_services, loader.list_api_versions, reader.load_file),
            *(reader.exists, loader._potential_locations),  # noqa: SLF001
        )
        own = loaders.OrderedDict is OrderedDict and loaders.json.loads.__module__ == "json"
    except AttributeError:
        return False
    return own and all(
        isinstance(function, FunctionType) and function.__globals__ is vars(loaders)
        for function in used
    )


def _folders(loaders: "ModuleType") -> list[str]:
    """Return the folders with data that botocore's and boto3's own modules look into."""
    found = [loaders.Loader.BUILTIN_DATA_PATH]
    boto3 = getattr(sys.modules.get("boto3"), "__file__", None)
    if boto3:
        found.append(f"{boto3.rpartition('/')[0]}/data")
    return [folder for folder in found if loaders.os.path.isdir(folder)]


def _loader(loaders: "ModuleType", folder: str) -> "Any":
    """Return a loader that looks into one folder alone."""
    return loaders.Loader(extra_search_paths=[folder], include_default_search_paths=False)


def _files(loaders: "ModuleType", folders: list[str], service: str) -> list[str]:
    found = []
    for folder in folders:
        loader = _loader(loaders, folder)
        for kind in TYPES:
            if service in loader.list_available_services(kind):
                version = loader.determine_latest_version(service, kind)
                place = f"{folder}/{service}/{version}"
                found += [
                    f"{place}/{name}"
                    for name in sorted(posix.listdir(place))
                    if _stem(name) in {kind, f"{kind}.sdk-extras"}
                ]
    if not found:
        raise UnknownServiceError(service)
    return found


def _stem(name: str) -> str:
    """Return a file's name without its extension; "" for one of another kind."""
    return next((name.removesuffix(end) for end in EXTENSIONS if name.endswith(end)), "")


def _folder(
    loaders: "ModuleType", folder: str, paths: list[str], files: "list[File]"
) -> "tuple[dict[str, Any], dict[str, Any], dict[str, Any]]":
    """Return what is known of a folder; its documents are added to `files`."""
    names = dict.fromkeys(path for path in paths if _stem(path))
    documents: dict[str, tuple[str, int]] = {}
    for path in sorted(names):
        name = _stem(path.removeprefix(f"{folder}/"))
        extension = path[len(folder) + 1 + len(name) :]
        if not path.startswith(f"{folder}/") or name in documents:
            continue
        file = _file(loaders, path, f"{folder}/{name}")
        if file is not None:
            documents[name] = (extension, len(files))
            files.append(file)
    models = [name.split("/") for name in map(_stem, names) if name.count("/") > 1]
    asked = sorted({(model[-3], model[-1]) for model in models if model[-1] in TYPES})
    loader = _loader(loaders, folder)
    kinds = sorted({"service-2", *(kind for _, kind in asked)})
    services = {kind: tuple(loader.list_available_services(kind)) for kind in kinds}
    versions = {
        f"{service}/{kind}": tuple(loader.list_api_versions(service, kind))
        if service in services[kind]
        else ()
        for service, kind in asked
    }
    return services, versions, documents


def _file(loaders: "ModuleType", path: str, name: str) -> "File | None":
    """Return a document with its file: what the loader's own class makes of it."""
    status = posix.stat(path)
    document = loaders.JSONFileLoader().load_file(name)
    try:
        # Without notes of what comes once, which is most: it loads in two thirds of the time.
        content = optimize(dumps(_shared(document, {}), PROTOCOL))
    except TypeError:
        return None
    return path, status.st_size, status.st_mtime_ns, content


def _shared(value: "Any", texts: dict[str, str]) -> "Any":
    """Return an equal value in which equal texts are one. Raises TypeError if it is not JSON's."""
    if type(value) is str:
        return texts.setdefault(value, value)
    if type(value) is OrderedDict:
        return OrderedDict(
            [(_shared(key, texts), _shared(item, texts)) for key, item in value.items()]
        )
    if type(value) is list:
        return [_shared(item, texts) for item in value]
    if type(value) in PLAIN:
        return value
    raise TypeError(f"not as JSON is read: {type(value)}")
