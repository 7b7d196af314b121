"""What takes part in imports takes part under us: hooks see every import, from files or an archive.

Tracers put finders first on `sys.meta_path`, or replace methods of finders and loaders; and the
runtime itself is to notice `logging`, whatever else is in the way.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fakes.sealed import Scene

# How tracers and import hooks get between a function and its imports. Each notes in `sys.seen`
# which modules it saw on the way.
HOOKS = {
    "a finder that finds nothing": """
        class Hook:
            def find_spec(self, name, path=None, target=None):
                sys.seen.append(name)

        sys.meta_path.insert(0, Hook())
    """,
    "a finder that asks all others and wraps the loader": """
        import importlib.util

        class Loader:
            def __init__(self, loader):
                self.loader = loader
            def __getattr__(self, name):
                return getattr(self.loader, name)
            def create_module(self, spec):
                return self.loader.create_module(spec)
            def exec_module(self, module):
                sys.seen.append(module.__name__)
                self.loader.exec_module(module)

        class Hook:
            asking = set()
            def find_spec(self, name, path=None, target=None):
                if name in self.asking:
                    return None
                self.asking.add(name)
                try:
                    spec = importlib.util.find_spec(name)
                finally:
                    self.asking.discard(name)
                if spec is not None and spec.loader is not None:
                    spec.loader = Loader(spec.loader)
                return spec

        sys.meta_path.insert(0, Hook())
    """,
    "a finder that asks the path finder and replaces exec_module": """
        from importlib.machinery import PathFinder

        class Hook:
            def find_spec(self, name, path=None, target=None):
                spec = PathFinder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    execute = spec.loader.exec_module
                    def exec_module(module):
                        sys.seen.append(module.__name__)
                        execute(module)
                    spec.loader.exec_module = exec_module
                return spec

        sys.meta_path.insert(0, Hook())
    """,
    "find_spec of each finder replaced": """
        def replace(finder):
            find = finder.find_spec
            def find_spec(name, path=None, target=None):
                spec = find(name, path, target)
                if spec is not None:
                    sys.seen.append(name)
                return spec
            finder.find_spec = find_spec

        for finder in sys.meta_path:
            replace(finder)
    """,
    "each finder replaced by a proxy": """
        class Proxy:
            def __init__(self, finder):
                self.finder = finder
            def __getattr__(self, name):
                return getattr(self.finder, name)
            def find_spec(self, name, path=None, target=None):
                spec = self.finder.find_spec(name, path, target)
                if spec is not None:
                    sys.seen.append(name)
                return spec

        sys.meta_path[:] = map(Proxy, sys.meta_path)
    """,
    "a path finder derived from the own one": """
        from importlib.machinery import PathFinder

        class Derived(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                sys.seen.append(name)
                return super().find_spec(name, path, target)

        sys.meta_path[sys.meta_path.index(PathFinder)] = Derived
    """,
    "a path hook that reads folders": """
        from importlib.machinery import (
            EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
        )

        class Loader(SourceFileLoader):
            def exec_module(self, module):
                sys.seen.append(module.__name__)
                super().exec_module(module)

        details = (ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, [".py"])
        sys.path_hooks.insert(0, FileFinder.path_hook(*details))
        sys.path_importer_cache.clear()
    """,
    "find_spec of the folders' finder replaced": """
        from importlib.machinery import FileFinder

        find = FileFinder.find_spec
        def find_spec(self, name, target=None):
            spec = find(self, name, target)
            if spec is not None:
                sys.seen.append(name)
            return spec
        FileFinder.find_spec = find_spec
    """,
    "find_spec replaced on each finder that is cached": """
        import colorsys  # has the finder of its folder made
        del sys.modules["colorsys"]

        def replace(finder):
            find = finder.find_spec
            def find_spec(name, target=None):
                spec = find(name, target)
                if spec is not None:
                    sys.seen.append(name)
                return spec
            finder.find_spec = find_spec

        for finder in filter(None, sys.path_importer_cache.values()):
            if hasattr(finder, "find_spec"):
                replace(finder)
    """,
    "exec_module of the source loader replaced": """
        from importlib.machinery import SourceFileLoader

        execute = SourceFileLoader.exec_module
        def exec_module(self, module):
            sys.seen.append(module.__name__)
            execute(self, module)
        SourceFileLoader.exec_module = exec_module
    """,
    "get_code of the source loader replaced": """
        from importlib.machinery import SourceFileLoader

        get = SourceFileLoader.get_code
        def get_code(self, name):
            sys.seen.append(name)
            return get(self, name)
        SourceFileLoader.get_code = get_code
    """,
    "get_data of the source loader replaced": """
        from importlib.machinery import SourceFileLoader

        get = SourceFileLoader.get_data
        def get_data(self, path):
            sys.seen.append(self.name)
            return get(self, path)
        SourceFileLoader.get_data = get_data
    """,
}

APP = """
import sys
{early}
import mylib.member
import colorsys
import logging

handlers = [type(each).__name__ for each in logging.getLogger().handlers]
logging.getLogger().setLevel("INFO")
logging.info("at init")

def look():
    import mylib.late
    logging.info("in handler")
    return [handlers, sorted({{*sys.seen}} & {{*%r}})]
"""
# Folders that were asked before the hook came: not those of the packages that are imported later.
CACHED = "find_spec replaced on each finder that is cached"
IMPORTED = ["colorsys", "logging", "mylib", "mylib.late", "mylib.member"]


@pytest.fixture
def hooked(scene: Scene):
    """Return a scene whose function imports members of a package, and `logging`."""
    for name in ("__init__", "empty", "member", "late"):
        scene.write(f"mylib/{name}.py")
    scene.look(APP.format(early="") % IMPORTED)
    return scene


def check(scene: Scene, seen: list[str], **environment: str) -> None:
    files = scene.run(**environment)
    scene.seal("mylib.late", **environment)
    archive = scene.run(**environment)
    for run in (files, archive):
        assert run.stderr == ""
        assert run.result[1] == [["LambdaLoggerHandler"], seen]
        messages = [line.rpartition("\t")[2] for line in run.stdout.splitlines()]
        assert messages == ["at init", "in handler"]


def installed(source: str) -> str:
    """Return the source of a hook, flush left, with what it needs."""
    return "import sys\nsys.seen = []\n" + textwrap.dedent(source)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_of_the_functions_own_sees_each_import(hooked: Scene, hook):
    hooked.write("tracer.py", installed(HOOKS[hook]))
    hooked.look(APP.format(early="import tracer") % IMPORTED)
    check(hooked, ["colorsys", "logging", "mylib"] if hook == CACHED else IMPORTED)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_of_sitecustomize_sees_each_import(hooked: Scene, hook, tmp_path):
    folder = tmp_path / "customized"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(installed(HOOKS[hook]))
    seen = ["colorsys", "logging"] if hook == CACHED else IMPORTED
    check(hooked, seen, PYTHONPATH=str(folder))


def test_an_archive_without_a_reader_of_folders_to_stand_for_is_refused_with_a_warning(
    hooked: Scene, tmp_path
):
    hooked.seal("mylib.late")
    folder = tmp_path / "customized"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        installed("""
            read = sys.path_hooks[-1]
            sys.path_hooks[-1] = lambda path: sys.seen.append(path) or read(path)
        """)
    )
    run = hooked.run(PYTHONPATH=str(folder))
    assert run.result[0] == "SourceFileLoader"
    (warning,) = [line for line in run.stdout.splitlines() if "is not used" in line]
    assert "path hook" in warning


def test_a_loader_of_the_archive_can_be_asked_for_by_any_finder_ahead(hooked: Scene):
    hooked.look("""
        import sys
        from importlib.machinery import PathFinder

        def look():
            before = [type(finder).__name__ for finder in sys.path_importer_cache.values()]
            spec = PathFinder.find_spec("mylib")
            return [type(spec.loader).__name__, "ArchiveFinder" in before, sys.meta_path[-1] is PathFinder]
    """)
    hooked.seal("mylib.late")
    assert hooked.run().result == ["ArchiveLoader", ["ArchiveLoader", True, True]]


def test_logging_found_by_no_path_finder_at_all_is_set_up_before_the_first_event(hooked: Scene):
    hooked.look("""
        import importlib.util, sys

        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == "logging":
                    file = f"{sys._stdlib_dir}/logging/__init__.py"
                    return importlib.util.spec_from_file_location(name, file)

        sys.meta_path.insert(0, Finder())
        import logging

        def look():
            return [type(each).__name__ for each in logging.getLogger().handlers]
    """)
    assert hooked.run().result[1] == ["LambdaLoggerHandler"]
