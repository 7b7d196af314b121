"""Entry points out of an archive: those of the files, for each caller and in each way."""

from __future__ import annotations

import pytest

from tests.fakes.sealed import Scene

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
READ = """
import sys

read = []

def hear(event, arguments):
    if event == "open" and str(arguments[0]).endswith("entry_points.txt"):
        read.append(str(arguments[0]).rpartition("/")[0].rpartition("/")[2])

sys.addaudithook(hear)

def described(points):
    return [[p.name, p.value, p.group, p.module, p.attr, p.extras, type(p).__module__,
             p.dist.metadata["Name"], p.dist.version, repr(p), str(p.dist._path)] for p in points]
"""
START = "import probe\nfrom importlib import metadata\nseen = metadata.entry_points()\n"


@pytest.fixture
def plugins(scene: Scene) -> Scene:
    """Return a function with distributions that have entry points, and one that has none."""
    scene.write("probe.py", READ)
    texts = {
        "one-1.0": "[plugins]\nfirst = one.part:main [extra, more]\nsecond=one\n\n[other]\na.b = c:d.e\n",
        "two_parts-2.0": "# nothing\n[plugins]\n  third  =  two : run  \n",
        "none-3.0": None,
    }
    for name, text in texts.items():
        folder = f"{name}.dist-info"
        own, _, version = name.partition("-")
        scene.write(f"{folder}/METADATA", METADATA.format(name=own, version=version))
        if text is not None:
            scene.write(f"{folder}/entry_points.txt", text)
    return scene


def test_entry_points_are_equal_in_all_that_they_have(plugins: Scene):
    plugins.look(f"""
        {START.replace(chr(10), "; ", 2)}

        def look():
            points = metadata.entry_points(group="plugins")
            one = metadata.distribution("one").entry_points
            return [
                sorted(probe.described(points)), probe.described(one), type(one).__name__,
                sorted(metadata.entry_points(group="other").names), list(one.select(name="second")) == [one["second"]],
                metadata.distribution("none").entry_points == type(one)(()), points == metadata.entry_points(group="plugins"),
            ]
    """)
    assert len(plugins.same()[0]) == 3


def test_no_file_is_read_for_them(plugins: Scene):
    plugins.look(f"""
        {START.replace(chr(10), "; ", 2)}
        probe.read.clear()

        def look():
            probe.read.clear()
            names = metadata.entry_points(group="plugins").names
            return [sorted(names), sorted(set(probe.read) & {{"one-1.0.dist-info", "none-3.0.dist-info"}})]
    """)
    assert plugins.run().result[1][1] == ["none-3.0.dist-info", "one-1.0.dist-info"]
    assert plugins.seal()["data"]["importlib.metadata"] >= 2
    assert plugins.run().result == ["ArchiveLoader", [["first", "second", "third"], []]]


def test_a_function_that_asks_for_none_has_none_sealed(plugins: Scene):
    plugins.look("from importlib import metadata\ndef look(): return metadata.version('one')")
    assert plugins.seal()["data"] == {}
    assert plugins.run().result == ["ArchiveLoader", "1.0"]


WAYS = {
    "a folder that comes later": """
        folder = "{other}/late-1.0.dist-info"
        os.makedirs(folder, exist_ok=True)
        open(folder + "/METADATA", "w").write("Metadata-Version: 2.1\\nName: late\\nVersion: 1.0\\n")
        open(folder + "/entry_points.txt", "w").write("[plugins]\\nlate = l:m\\n")
        sys.path.insert(0, "{other}")
    """,
    "a finder of somebody's": """
        class Mine(metadata.Distribution):
            def read_text(self, name):
                texts = {{"METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n",
                         "entry_points.txt": "[plugins]\\nmine = m:n\\n"}}
                return texts.get(name)
            def locate_file(self, path):
                return path
        class Finder(metadata.DistributionFinder):
            def find_distributions(self, context=None):
                return [Mine()]
        sys.meta_path.insert(0, Finder())
    """,
    "a reader that is replaced": """
        original = metadata.PathDistribution.read_text
        metadata.PathDistribution.read_text = lambda self, name: (
            "[plugins]\\npatched = p:q\\n" if name == "entry_points.txt" else original(self, name))
    """,
    "an object that is changed": """
        distribution = metadata.distribution("one")
        distribution.read_text = lambda name: "[plugins]\\nchanged = c:d\\n"
        result = [p.name for p in distribution.entry_points]
    """,
    "the module once more": """
        importlib.reload(metadata)
    """,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_other_way_leads_where_it_did(plugins: Scene, way, tmp_path_factory):
    body = way.format(other=tmp_path_factory.mktemp("other"))
    plugins.look(
        f"import importlib, os, sys\n{START}\ndef look():\n    result = None\n"
        + "\n".join(f"    {line.removeprefix('        ')}" for line in body.splitlines())
        + "\n    return [result, sorted(metadata.entry_points(group='plugins').names)]\n"
    )
    assert plugins.same()[1]
