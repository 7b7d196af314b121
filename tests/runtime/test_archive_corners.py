"""What functions do to the import system, done with modules out of an archive."""

from __future__ import annotations

from tests.fakes.sealed import ARCHIVE, Scene


def test_what_is_no_text_in_a_packages_path_is_passed_over(scene: Scene):
    scene.write("package/__init__.py", "__path__.insert(0, b'/nowhere')")
    scene.write("package/member.py", "value = 1")
    scene.look("""
        import package.member

        def look():
            return package.member.value
    """)
    assert scene.same() == 1


def test_a_current_folder_that_is_gone_hides_nothing(scene: Scene):
    scene.write("late.py", "value = 1")
    scene.look("""
        import os, sys, tempfile

        gone = tempfile.mkdtemp()
        os.chdir(gone)
        os.rmdir(gone)
        sys.path.insert(0, "")

        def look():
            import late
            return late.value
    """)
    assert scene.same("late") == 1


def test_a_reader_of_folders_of_the_functions_own_is_asked(scene: Scene):
    scene.write("late.py", "value = 'file'")
    scene.look("""
        import importlib.abc, importlib.util, sys

        class Loader(importlib.abc.Loader):
            def exec_module(self, module):
                module.value = "memory"

        class Finder:
            def find_spec(self, name, target=None):
                return importlib.util.spec_from_loader(name, Loader()) if name == "late" else None

        def hook(entry):
            if entry != "memory:":
                raise ImportError
            return Finder()

        sys.path_hooks.append(hook)
        sys.path.insert(0, "memory:")

        def look():
            import late
            return late.value
    """)
    assert scene.same("late") == "memory"


def test_specs_are_copied_and_loaders_are_pickled(scene: Scene):
    scene.write("tool.py", "value = 1")
    scene.look("""
        import copy, pickle
        import tool

        def look():
            spec = copy.deepcopy(tool.__spec__)
            loader = pickle.loads(pickle.dumps(tool.__loader__))
            return [
                [s.name, s.origin, type(s.loader).__name__, s.loader.path] for s in (spec,)
            ] + [loader.get_source("tool"), loader.is_package("tool")]
    """)
    assert scene.same()[0][2] == "SourceFileLoader"


def test_damage_that_is_found_late_leaves_the_finders_alone(scene: Scene):
    scene.write("tool.py", "value = 'qqqqqqqq'")
    scene.look("""
        import sys

        before = list(map(id, sys.meta_path))

        def look():
            import tool
            return [tool.value, before == list(map(id, sys.meta_path))]
    """)
    scene.seal("tool")
    archive = scene.function.root / ARCHIVE
    content = bytearray(archive.read_bytes())
    content[content.index(b"qqqqqqqq")] ^= 1
    archive.write_bytes(content)
    run = scene.run()
    assert run.result[1] == ["qqqqqqqq", True]
    assert "the code of 'tool' in it is damaged" in run.stdout
