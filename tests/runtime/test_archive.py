"""Modules out of an archive: whatever a function asks of them, the answer is that of the files.

Each scene is run twice in real processes, first from the files and then from the archive.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.function import Run
from tests.fakes.mounts import LAYERS, TASK_ROOT, mounted
from tests.fakes.sealed import ARCHIVE, LOADERS, Scene, seal

# --- what a module is ---------------------------------------------------------------------------

FACTS = """
from importlib.machinery import ExtensionFileLoader, SourceFileLoader

def facts(module):
    spec = module.__spec__
    loader = spec.loader
    return [
        sorted(vars(module)), module.__name__, module.__file__, module.__package__, module.__doc__,
        list(getattr(module, "__path__", [])), getattr(module, "__cached__", None), repr(module),
        spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, spec.loader_state,
        spec.submodule_search_locations, loader is module.__loader__,
        isinstance(loader, (ExtensionFileLoader, SourceFileLoader)), loader.name, loader.path,
        loader.get_filename(module.__name__), loader.is_package(module.__name__),
        loader.get_source(module.__name__),
        getattr(loader.get_code(module.__name__), "co_filename", None),
    ]
"""


def test_a_module_a_package_and_its_members_look_the_same(scene: Scene):
    scene.write("facts.py", FACTS)
    scene.write("package/__init__.py", '"""A package."""\nfrom . import member\n')
    scene.write("package/member.py", '"""A member."""\nvalue = 1\n')
    scene.write("package/inner/__init__.py")
    scene.write("package/inner/leaf.py", "from .. import member\nfrom ..member import value\n")
    scene.look("""
        import json, plistlib, facts, package.inner.leaf

        def look():
            modules = (facts, package, package.member, package.inner, package.inner.leaf, json, plistlib)
            return [facts.facts(module) for module in modules]
    """)
    seen = scene.same()
    assert seen[1][2] == str(scene.function.root / "package/__init__.py")
    assert seen[1][5] == [str(scene.function.root / "package")]


def test_a_name_that_is_looked_up_has_the_spec_that_its_files_have(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/member.py")
    scene.look("""
        import importlib.util, sys
        import package.member

        def look():
            for name in ("package.member", "package"):
                del sys.modules[name]
            package = importlib.util.find_spec("package")
            member = importlib.util.find_spec("package.member")
            nothing = importlib.util.find_spec("package.nothing")
            return [
                [s and [s.name, s.origin, s.cached, s.submodule_search_locations]
                 for s in (package, member, nothing)],
                sorted(name for name in sys.modules if name.startswith("package")),
            ]
    """)
    scene.same()


def _extension() -> Path:
    """Return the file of an extension module of the standard library, which any folder may have."""
    for name in ("_bisect", "_heapq", "_csv", "_queue", "_statistics"):
        spec = importlib.util.find_spec(name)
        if spec and isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            assert spec.origin
            return Path(spec.origin)
    pytest.skip("this interpreter has its extension modules built in")


def test_extension_modules_look_the_same_and_work(scene: Scene):
    extension = _extension()
    name = extension.name.partition(".")[0]
    scene.write("facts.py", FACTS)
    scene.write("package/__init__.py")
    shutil.copy(extension, scene.function.root)
    shutil.copy(extension, scene.function.root / "package")
    scene.look(f"""
        import facts, {name}, package.{name}

        def look():
            return [facts.facts(module) for module in ({name}, package.{name})]
    """)
    top, member = scene.same()
    assert top[2] == str(scene.function.root / extension.name)
    assert member[2] == str(scene.function.root / "package" / extension.name)


def test_a_package_that_is_an_extension_module_is_found(scene: Scene):
    extension = _extension()
    name, suffix = extension.name.split(".", 1)
    scene.write(f"{name}/leaf.py", "value = 1")
    shutil.copy(extension, scene.function.root / name / f"__init__.{suffix}")
    scene.look(f"""
        import {name}.leaf

        def look():
            return [{name}.__file__, list({name}.__path__), {name}.leaf.value]
    """)
    assert scene.same()[2] == 1


def test_a_loader_asked_for_the_code_of_another_module_refuses(scene: Scene):
    scene.write("tool.py")
    scene.write("other.py")
    scene.look("""
        import other, tool

        def look():
            try:
                return tool.__loader__.get_code("other").co_filename
            except Exception as exc:
                return [type(exc).__name__, str(exc), getattr(exc, "name", None)]
    """)
    assert scene.same()[0] == "ImportError"


# --- what the standard library does with modules --------------------------------------------------


def test_resources_are_read(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/data/table.txt", "one two")
    scene.look("""
        import importlib.resources as resources
        import package

        def look():
            root = resources.files("package")
            table = root / "data" / "table.txt"
            with resources.as_file(table) as path:
                copied = str(path)
            return [
                str(root), type(root).__name__, copied, table.read_text(), table.read_bytes().decode(),
                sorted(item.name for item in root.iterdir() if not item.name.startswith("__pycache__")),
                package.__loader__.get_data(package.__path__[0] + "/data/table.txt").decode(),
                type(package.__loader__.get_resource_reader("package")).__name__,
            ]
    """)
    assert scene.same()[3] == "one two"


def test_pkgutil_lists_and_reads(scene: Scene):
    for name in ("package/__init__.py", "package/inner/__init__.py", "package/inner/leaf.py"):
        scene.write(name)
    scene.write("package/unused.py", "value = 3")
    scene.write("package/table.txt", "one two")
    scene.look("""
        import pkgutil
        import package.inner.leaf

        def look():
            return [
                [[m.name, m.ispkg] for m in pkgutil.iter_modules(package.__path__)],
                [m.name for m in pkgutil.walk_packages(package.__path__, "package.")],
                sorted(m.name for m in pkgutil.iter_modules() if m.name in ("app", "scene")),
                pkgutil.get_data("package", "table.txt").decode(),
                pkgutil.resolve_name("package.unused:value"),
            ]
    """)
    listed, walked, _, table, value = scene.same()
    assert listed == [["inner", True], ["unused", False]]
    assert walked == ["package.inner", "package.inner.leaf", "package.unused"]
    assert (table, value) == ("one two", 3)


def test_inspect_finds_the_source(scene: Scene):
    scene.write("tool.py", "class Tool:\n    def use(self):\n        return 1\n")
    scene.look("""
        import inspect, linecache, json, tool

        def look():
            return [
                inspect.getsource(tool), inspect.getsource(tool.Tool.use), inspect.getfile(tool.Tool),
                inspect.getsourcefile(tool), inspect.getsourcelines(tool.Tool.use),
                inspect.getmodule(tool.Tool).__name__, inspect.getsource(json.dumps)[:80],
                linecache.getline(tool.__file__, 2), tool.Tool.use.__code__.co_filename,
            ]
    """)
    assert scene.same()[1] == "    def use(self):\n        return 1\n"


def test_metadata_of_distributions_is_found(scene: Scene):
    scene.write("tool.py")
    scene.write("tool-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.5\n")
    scene.write("tool-1.5.dist-info/entry_points.txt", "[plugins]\nfirst = tool:main\n")
    scene.write("tool-1.5.dist-info/RECORD", "tool.py,,\ntool-1.5.dist-info/METADATA,,\n")
    scene.look("""
        import tool
        from importlib import metadata

        def look():
            return [
                metadata.version("tool"), [str(file) for file in metadata.files("tool")],
                [[e.name, e.value] for e in metadata.entry_points(group="plugins")],
                metadata.packages_distributions().get("tool"),
            ]
    """)
    assert scene.same() == [
        "1.5",
        ["tool.py", "tool-1.5.dist-info/METADATA"],
        [["first", "tool:main"]],
        ["tool"],
    ]


def test_a_module_is_loaded_again(scene: Scene):
    scene.write("tool.py", "loads = globals().get('loads', 0) + 1\n")
    scene.write("package/__init__.py", "from . import member")
    scene.write("package/member.py", "value = object()")
    scene.look("""
        import importlib, sys, tool, package.member

        def look():
            before, member = tool.__spec__, package.member.value
            importlib.reload(tool)
            importlib.reload(package.member)
            importlib.invalidate_caches()
            first = sys.modules.pop("tool")
            import tool as second
            return [first.loads, second.loads, first is second, before.origin == second.__spec__.origin,
                    member is package.member.value]
    """)
    assert scene.same() == [2, 1, False, True, False]


def test_modules_are_run_as_programs(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/__main__.py", "seen = [__name__, __package__, __file__, __spec__.name]")
    scene.write("tool.py", "seen = [__name__, __package__, __file__]")
    scene.look("""
        import runpy, package, tool

        def look():
            as_program = runpy.run_module("tool", run_name="__main__")["seen"]
            return [
                as_program, runpy.run_module("tool")["seen"], runpy.run_path(tool.__file__)["seen"],
                runpy.run_module("package", run_name="__main__", alter_sys=True)["seen"],
            ]
    """)
    assert scene.same("package.*")[0][0] == "__main__"


def test_a_lazy_loader_gets_its_module_at_the_first_use(scene: Scene):
    scene.write("tool.py", "value = __spec__.name")
    scene.look("""
        import importlib.util, sys

        spec = importlib.util.find_spec("tool")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        tool = importlib.util.module_from_spec(spec)
        sys.modules["tool"] = tool
        spec.loader.exec_module(tool)

        def look():
            before = object.__getattribute__(tool, "__class__").__name__
            return [before, tool.value, type(tool).__name__, tool.__file__]
    """)
    assert scene.same()[:3] == ["_LazyModule", "tool", "module"]


# --- how modules import each other ----------------------------------------------------------------


def test_packages_import_around_corners(scene: Scene):
    scene.write("package/__init__.py", "from .first import one\nfrom .inner import *\n")
    scene.write(
        "package/first.py", "one = 1\nfrom package import second\nfrom . import second as s\n"
    )
    scene.write(
        "package/second.py", "import package.first as first\nknown = hasattr(first, 'one')\n"
    )
    scene.write("package/inner/__init__.py", "__all__ = ['leaf']\n")
    scene.write(
        "package/inner/leaf.py", "from ...package.first import one as again\n" * 0 + "x = 1"
    )
    scene.look("""
        import sys, package

        def look():
            names = [name for name in sys.modules if name.split(".")[0] == "package"]
            return [names, package.first.second is package.second, package.second.known, package.leaf.x]
    """)
    assert scene.same()[1:] == [True, True, 1]


def test_modules_that_put_something_else_in_their_place_keep_it(scene: Scene):
    scene.write(
        "thing.py", "import sys\nsys.modules[__name__] = type('Thing', (), {'value': 7})()\n"
    )
    scene.write(
        "outer/__init__.py",
        "import sys\nimport outer.real\nsys.modules['outer.alias'] = outer.real\n",
    )
    scene.write("outer/real.py", "value = 8")
    scene.look("""
        import sys, thing, outer.alias, os.path

        def look():
            alias = sys.modules["outer.alias"].__name__
            return [type(thing).__name__, thing.value, alias, os.path.join("a", "b")]
    """)
    assert scene.same() == ["Thing", 7, "outer.real", "a/b"]


def test_attributes_that_are_loaded_late_are_found(scene: Scene):
    scene.write(
        "package/__init__.py",
        """
        def __getattr__(name):
            if name != "late":
                raise AttributeError(name)
            from importlib import import_module
            return import_module(".late", __name__)
        """,
    )
    scene.write("package/late.py", "value = 5")
    scene.look("""
        import sys, package

        def look():
            before = "package.late" in sys.modules
            return [before, package.late.value, hasattr(package, "other"), package.late.__file__]
    """)
    assert scene.same()[:3] == [False, 5, False]


def test_a_namespace_package_has_its_portions_in_two_folders(scene: Scene):
    scene.write("space/one.py", "value = 1")
    scene.write("vendored/space/two.py", "value = 2")
    scene.write("vendored/space/inner/three.py", "value = 3")
    scene.write("my.pth", "vendored\n")
    scene.look("""
        import space.one, space.two, space.inner.three

        def look():
            return [
                type(space.__path__).__name__, list(space.__path__), space.__spec__.origin,
                getattr(space, "__file__", None), space.one.__file__, space.two.__file__,
                space.inner.three.__file__,
            ]
    """)
    root = scene.function.root
    assert scene.same()[1] == [f"{root}/space", f"{root}/vendored/space"]


@pytest.mark.parametrize("style", ["pkgutil", "append"])
def test_a_package_may_extend_its_own_path(scene: Scene, style):
    extend = {
        "pkgutil": "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n",
        "append": "__path__.insert(0, __path__[0].replace('/package', '/vendored/package'))\n",
    }
    scene.write("package/__init__.py", extend[style])
    scene.write("package/one.py", "value = 'own'")
    scene.write("vendored/package/__init__.py")
    scene.write("vendored/package/one.py", "value = 'vendored'")
    scene.write("vendored/package/two.py", "value = 'vendored'")
    scene.write("my.pth", "vendored\n")
    scene.look("""
        import package.one, package.two

        def look():
            return [list(package.__path__), package.one.value, package.two.value, package.two.__file__]
    """)
    assert scene.same()[1] == {"pkgutil": "own", "append": "vendored"}[style]


def test_threads_that_import_at_once_get_one_module(scene: Scene):
    scene.write("tool.py", "import threading\nloaded_by = threading.get_ident()\n")
    scene.look("""
        import threading

        def look():
            seen = []
            def load():
                import tool
                seen.append(id(tool))
            threads = [threading.Thread(target=load) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return [len(seen), len(set(seen))]
    """)
    assert scene.same("tool") == [8, 1]


# --- what is sealed is used -----------------------------------------------------------------------


FOUND_ALL_THE_SAME = {
    "nothing added": "pass",
    "a folder that is not there": "sys.path.insert(0, '/nowhere/at/all')",
    "no text": "sys.path.insert(0, 5)",
    "an empty folder": "sys.path.insert(0, __file__.replace('app.py', 'empty'))",
    "the code's folder again": "sys.path.insert(0, sys.path[0])",
}


@pytest.mark.parametrize("added", FOUND_ALL_THE_SAME.values(), ids=FOUND_ALL_THE_SAME)
def test_all_that_is_sealed_comes_out_of_the_archive(scene: Scene, added):
    scene.write("package/__init__.py")
    scene.write("package/member.py")
    (scene.function.root / "empty").mkdir()
    scene.look(f"""
        import sys
        {added}
        import colorsys, plistlib, package.member

        def look():
            loaders = {{name: module.__spec__.loader for name, module in sys.modules.items()
                       if getattr(module, "__spec__", None)}}
            return [name for name, loader in loaders.items()
                    if "ArchiveLoader" in [base.__name__ for base in type(loader).__mro__]]
    """)
    scene.seal()
    sealed = _sealed_code(scene.function.root / ARCHIVE)
    assert {"app", "package.member", "colorsys", "plistlib"} < sealed
    used = scene.run().result[1]
    assert (len(used), set(used)) == (len(sealed), sealed)


def _sealed_code(path: Path) -> set[str]:
    from snapboot_devkit.package.binary.modules import read

    return {m.name for m in read(path.read_bytes()).modules if not m.is_extension}


# --- the search goes on as it would have ----------------------------------------------------------


PATH_CHANGES = {
    "sys.path.insert(0, here + '/ahead')": "ahead",
    "sys.path.insert(0, here + '/ahead/')": "ahead",
    "sys.path.insert(0, 'ahead')": "ahead",
    "sys.path.insert(0, here + '/link')": "ahead",
    "sys.path.insert(0, here + '/package')": "package",
    "sys.path.insert(0, here + '/ahead.zip')": "zip",
    "sys.path.insert(0, here + '/ahead.zip/inner')": "inner zip",
    "sys.path.insert(0, here + '/nothing')": "code",
    "sys.path.insert(0, '')": "code",
    "sys.path.append(here + '/ahead')": "code",
    "sys.path.insert(0, pathlib.Path(here, 'ahead'))": "code",
    "sys.path.insert(0, (here + '/ahead').encode())": "code",
    "sys.path.remove(here); sys.path.append(here + '/ahead')": "vendored",
    "sys.path[:] = [sys.path[-1]]": "ModuleNotFoundError",
    "sys.path[:] = [here + '/ahead', *sys.path]": "ahead",
    "sys.path.reverse()": "vendored",
    "sys.path.insert(0, here + '/vendored')": "vendored",
    "sys.path.remove(here + '/vendored'); sys.path.insert(0, here + '/vendored')": "vendored",
    "sys.path.insert(0, here)": "code",
    "sys.path = [here + '/ahead', *sys.path]": "ahead",
    "os.chdir('ahead'); sys.path.insert(0, '')": "ahead",
}


@pytest.mark.parametrize(("change", "where"), PATH_CHANGES.items(), ids=PATH_CHANGES)
def test_a_folder_put_on_the_path_is_searched_in_its_turn(scene: Scene, change, where):
    scene.write("ahead/tool.py", "where = 'ahead'")
    scene.write("package/__init__.py")
    scene.write("package/member.py")
    scene.write("package/tool.py", "where = 'package'")
    scene.write("tool.py", "where = 'code'")
    scene.write("vendored/tool.py", "where = 'vendored'")
    scene.write("vendored/known.py")
    scene.write("my.pth", "vendored\n")
    root = scene.function.root
    (root / "link").symlink_to(root / "ahead")
    with zipfile.ZipFile(root / "ahead.zip", "w") as archive:
        archive.writestr("tool.py", "where = 'zip'")
        archive.writestr("inner/tool.py", "where = 'inner zip'")
    scene.look(f"""
        import os, pathlib, sys
        import known, package.member, tool

        def look():
            del sys.modules["tool"]
            here = __file__.rpartition("/")[0]
            {change}
            try:
                import tool
                return [tool.where, tool.__file__]
            except Exception as exc:
                return [type(exc).__name__, None]
    """)
    assert scene.same()[0] == where


def test_a_folder_ahead_may_get_its_module_later(scene: Scene, tmp_path):
    scene.write("tool.py", "where = 'code'")
    scene.look(f"""
        import importlib, sys, pathlib
        folder = pathlib.Path({str(tmp_path)!r}, "generated")
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.py"):
            old.unlink()
        sys.path.insert(0, str(folder))
        import tool

        def look():
            (folder / "tool.py").write_text("where = 'generated'")
            importlib.invalidate_caches()
            return [tool.where, importlib.reload(tool).where]
    """)
    assert scene.same() == ["code", "generated"]


def test_a_finder_put_ahead_is_asked_first(scene: Scene):
    scene.write("tool.py", "where = 'code'")
    scene.look("""
        import importlib.abc, importlib.util, sys

        class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path, target=None):
                return importlib.util.spec_from_loader(name, self) if name == "tool" else None
            def exec_module(self, module):
                module.where = "finder"

        sys.meta_path.insert(0, Finder())

        def look():
            import tool
            return [tool.where, tool.__spec__.has_location]
    """)
    assert scene.same("tool") == ["finder", False]


def test_a_package_whose_path_is_replaced_is_searched_there(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/member.py", "where = 'code'")
    scene.write("other/member.py", "where = 'other'")
    scene.look("""
        import sys, package.member

        def look():
            del sys.modules["package.member"]
            package.__path__ = [package.__path__[0].replace("/package", "/other")]
            import package.member as member
            return [member.where, member.__file__]
    """)
    assert scene.same()[0] == "other"


def test_a_layer_that_shadows_the_standard_library_wins(scene: Scene, tmp_path):
    layer = tmp_path / "layer"
    (layer / "python").mkdir(parents=True)
    scene.look("""
        import colorsys

        def look():
            return [colorsys.__file__, hasattr(colorsys, "of_the_layer")]
    """)
    scene.seal()
    (layer / "python/colorsys.py").write_text("of_the_layer = True")
    command = [sys.executable, "-SsP", str(ROOT / "bootstrap")]
    contender = mounted(command, {TASK_ROOT: scene.function.root, LAYERS: layer})
    assert scene.run(contender).result == ["ArchiveLoader", ["/opt/python/colorsys.py", True]]


@pytest.mark.parametrize("spelling", ["{}/", "{}/.", "{}/../task", "link"])
def test_the_task_root_may_be_spelled_otherwise(scene: Scene, tmp_path, spelling):
    (tmp_path / "link").symlink_to(scene.function.root)
    named = str(tmp_path / "link") if spelling == "link" else spelling.format(scene.function.root)
    scene.write("package/__init__.py")
    scene.write("package/member.py")
    scene.look("""
        import sys, package.member

        def look():
            return [package.__file__, list(package.__path__), package.member.__file__, sys.path[0]]
    """)
    files = scene.run(LAMBDA_TASK_ROOT=named)
    scene.seal()
    archive = scene.run(LAMBDA_TASK_ROOT=named)
    assert archive.result[1] == files.result[1]
    assert archive.stderr == files.stderr


# --- the interpreter's options --------------------------------------------------------------------


@pytest.mark.parametrize("options", ["-SsP", "-SsPO", "-SsPOO", "-SsPB", "-SsPbb", "-SsPXdev"])
def test_options_of_the_interpreter_keep_their_meaning(scene: Scene, options):
    scene.write("tool.py", "def checked():\n    '''Words.'''\n    assert False\n")
    scene.look("""
        import tool

        def look():
            try:
                tool.checked()
            except AssertionError:
                return ["checked", tool.checked.__doc__]
            return ["unchecked", tool.checked.__doc__]
    """)
    contender = Contender(
        "with options", lambda _: [sys.executable, options, str(ROOT / "bootstrap")], dict
    )
    files = scene.run(contender)
    scene.seal()
    archive = scene.run(contender)
    assert archive.result[1] == files.result[1]
    assert archive.stderr == files.stderr
    assert archive.result[0] == LOADERS["O" not in options]


@pytest.mark.parametrize("option", ["PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE"])
def test_watchers_of_imports_see_them(scene: Scene, option):
    scene.write("package/__init__.py", "from . import member")
    scene.write("package/member.py")
    scene.look("import package\ndef look(): return package.member.__name__")
    scene.seal()
    run = scene.run(**{option: "1"})
    assert run.result == ["ArchiveLoader", "package.member"]
    assert "package.member" in run.stderr


def test_modules_of_the_archive_are_not_there_for_child_processes_alone(scene: Scene):
    scene.write("tool.py", "value = 4")
    scene.look("""
        import subprocess, sys, tool

        def look():
            code = "import tool; print(tool.value, tool.__file__)"
            return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    """)
    assert scene.same().startswith("4 ")


# --- errors ---------------------------------------------------------------------------------------


def _fails(scene: Scene, source: str, *included: str) -> tuple[Run, Run]:
    scene.function.write("scene.py", "import app\nhandler = app.handler\n")
    scene.function.code(source)
    files = scene.run()
    scene.seal(*included)
    archive = scene.run()
    return files, archive


def test_tracebacks_are_the_same_to_the_letter(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/deep.py", "def fail(x):\n    return [1 / x for x in (1, 0)]\n")
    files, archive = _fails(
        scene,
        """
        import json, sys, traceback
        from package import deep

        def handler(event, context):
            print(type(sys.modules["app"].__loader__).__name__)
            try:
                deep.fail(0)
            except ZeroDivisionError:
                traceback.print_exc(file=sys.stdout)
                json.loads("{")
        """,
    )
    assert archive.document == files.document
    assert archive.stderr == files.stderr
    assert "return [1 / x for x in (1, 0)]" in files.stdout
    assert archive.stdout == files.stdout.replace(*LOADERS.values())


def test_tracebacks_name_the_files_where_they_are_and_not_where_they_were_to_be(scene: Scene):
    scene.write("package/__init__.py")
    scene.write("package/deep.py", "def outer(x):\n    def inner():\n        1 / x\n    inner()\n")
    scene.look("""
        import traceback
        from package import deep

        def look():
            try:
                deep.outer(0)
            except ZeroDivisionError:
                return traceback.format_exc()
    """)
    files = scene.run()
    seal(scene.function.root, "scene.handler", place=TASK_ROOT)
    archive = scene.run()
    assert archive.result == ["ArchiveLoader", files.result[1]]
    assert archive.result[1].count(f'"{scene.function.root}/package/deep.py"') == 2


@pytest.mark.parametrize("late", ["does_not_exist", "broken", "package.nothing", "raises"])
def test_imports_that_fail_at_run_time_fail_alike(scene: Scene, late):
    scene.write("package/__init__.py")
    scene.write("broken.py", "def f(:\n")
    scene.write("raises.py", "import package\nraise RuntimeError('not today')\n")
    files, archive = _fails(
        scene,
        f"""
        import package

        def handler(event, context):
            import {late}
        """,
    )
    assert archive.document == files.document
    assert (archive.stdout, archive.stderr) == (files.stdout, files.stderr)


# --- an archive that cannot be used ---------------------------------------------------------------

HEADER_BYTES = 64


def _spoil(offset: int, content: bytes = b"") -> Any:
    """Return what replaces bytes at an offset, or flips the one there."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        flipped = bytes([data[offset] ^ 0x40])
        data[offset : offset + max(1, len(content))] = content or flipped
        path.write_bytes(data)

    return damage


def _number(path: Path, offset: int) -> int:
    return int.from_bytes(path.read_bytes()[offset : offset + 8], "little")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "no label": _spoil(0),
    "of another bytecode": _spoil(16, b"\1\2\r\n"),
    "of another interpreter": _spoil(20, (0x030900F0).to_bytes(4, "little")),
    "another size": _spoil(24),
    "index elsewhere": _spoil(32),
    "index far outside": _spoil(36, b"\xff\xff\xff\x7f"),
    "index of another length": _spoil(40),
    "index with another check": _spoil(48),
    "index flipped": lambda path: _spoil(_number(path, 32) + 40)(path),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "head only": lambda path: path.write_bytes(path.read_bytes()[:HEADER_BYTES]),
    "half a head": lambda path: path.write_bytes(path.read_bytes()[:30]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "empty": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("not an archive\n" * 100),
    "a folder": _folder,
    "a pipe": _fifo,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_archive_that_cannot_be_used_is_refused_with_one_warning(scene: Scene, damage):
    scene.look("import json\ndef look(): return json.__name__")
    scene.seal()
    archive = scene.function.root / ARCHIVE
    damage(archive)
    run = scene.run()
    assert run.result == ["SourceFileLoader", "json"]
    (warning,) = [line for line in (run.stdout + run.stderr).splitlines() if line]
    assert str(archive) in warning
    assert "is not used" in warning


@pytest.mark.parametrize("place", [0, 40, -1])
def test_damaged_code_of_a_module_ends_the_use_of_the_archive(scene: Scene, place):
    scene.write("tool.py", "value = 11")
    scene.write("after.py", "value = 12")
    scene.look("""
        import tool, after

        def look():
            return [tool.value, after.value, [type(m.__loader__).__name__ for m in (tool, after)]]
    """)
    scene.seal()
    archive = scene.function.root / ARCHIVE
    offset, length = _code_of("tool", archive)
    _spoil(offset + (place if place >= 0 else length + place))(archive)
    run = scene.run()
    assert run.result[1][:2] == [11, 12]
    assert run.result[1][2][1] == "SourceFileLoader"
    (warning,) = [line for line in (run.stdout + run.stderr).splitlines() if line]
    assert "'tool'" in warning
    assert "is not used" in warning


def _code_of(name: str, path: Path) -> tuple[int, int]:
    from snapboot_devkit.package.binary.modules import read

    (module,) = [m for m in read(path.read_bytes()).modules if m.name == name]
    return module.offset, module.length


def test_a_link_that_leads_nowhere_is_no_archive(scene: Scene):
    scene.look("def look(): return 1")
    (scene.function.root / ARCHIVE).symlink_to("nowhere")
    run = scene.run()
    assert run.result == ["SourceFileLoader", 1]
    assert run.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_archive_that_may_not_be_read_is_refused(scene: Scene, flat, tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    scene.look("def look(): return 1")
    scene.seal()
    (scene.function.root / ARCHIVE).chmod(0o600)
    unprivileged = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv to become another user with")
    if subprocess.run([*unprivileged, sys.executable, "-c", ""], check=False).returncode:
        pytest.skip(f"{sys.executable} cannot be started by everybody")
    command = [*unprivileged, sys.executable, "-SsP", str(flat / "bootstrap")]
    run = scene.run(Contender("unprivileged", lambda _: command, dict))
    assert run.result == ["SourceFileLoader", 1]
    (warning,) = [line for line in run.stdout.splitlines() if "is not used" in line]
    assert "Permission denied" in warning
