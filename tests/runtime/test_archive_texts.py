"""What the standard library compiles of texts, out of an archive: the same, only not compiled."""

from __future__ import annotations

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.sealed import Scene, seal

PROBE = """
import sys

compiled = []

def hear(event, arguments):
    if event == "compile" and arguments[1] == "<string>":
        compiled.append(str(arguments[0]))

sys.addaudithook(hear)

def described(function):
    code = function.__code__
    return [
        function.__name__, function.__qualname__, function.__module__, repr(function.__defaults__),
        repr(function.__annotations__), sorted(function.__globals__)[:3], code.co_filename,
        code.co_name, code.co_firstlineno, code.co_code.hex(), repr(code.co_consts), list(code.co_lines()),
        code.co_varnames, code.co_names, code.co_flags,
    ]
"""
# What a module makes, and what is to be the same of it.
MADE = {
    "a named tuple": (
        """
        import collections
        Point = collections.namedtuple("Point", "x y", defaults=[1])
        One = collections.namedtuple("One", "only")
        """,
        "[described(Point.__new__), described(One.__new__), repr(Point(2)), Point(2) == (2, 1), One(3).only]",
    ),
    "a dataclass": (
        """
        import dataclasses
        @dataclasses.dataclass(order=True, frozen=True)
        class Order:
            number: int
            parts: list = dataclasses.field(default_factory=list, compare=False)
        """,
        "[described(Order.__init__), described(Order.__lt__), repr(Order(1)), Order(1) < Order(2), hash(Order(1)) == hash(Order(1))]",
    ),
    "annotations": (
        """
        import typing
        class Typed(typing.TypedDict):
            one: "int | None"
            two: "list[Typed]"
        """,
        "[repr(typing.get_type_hints(Typed)), repr(Typed.__annotations__), repr(typing.ForwardRef('int') == typing.ForwardRef('int'))]",
    ),
    "proxies": (
        "import multiprocessing.managers as managers",
        "[described(managers.BaseListProxy.append), managers.DictProxy.__name__, sorted(vars(managers.DictProxy))]",
    ),
}


@pytest.fixture
def made(scene: Scene, request) -> Scene:
    """Return a function that makes one of these."""
    source, look = MADE[request.param]
    lines = [line.removeprefix("        ") for line in source.strip("\n").splitlines()]
    scene.write("probe.py", PROBE)
    scene.write("made.py", "from probe import compiled, described\n" + "\n".join(lines) + "\n")
    scene.look("import probe, made\ndef look(): return eval(made.LOOK, vars(made))")
    with (scene.function.root / "made.py").open("a") as file:
        file.write(f"LOOK = {look!r}\n")
    return scene


@pytest.mark.parametrize("made", MADE, indirect=True)
def test_what_is_made_is_equal_in_all_that_it_has(made: Scene):
    assert made.same()


@pytest.mark.parametrize("made", MADE, indirect=True)
def test_no_text_is_compiled_for_it(made: Scene, bare_python):
    made.look("import probe, made\ncount = len(probe.compiled)\ndef look(): return count")
    command = [bare_python, "-SsP", str(ROOT / "bootstrap")]
    bare = Contender("bare", lambda handler: command, dict)
    assert made.run(bare).result[1] > 0
    seal(made.function.root, "scene.handler", python=bare_python)
    assert made.run(bare).result[1] == 0


@pytest.mark.parametrize("made", ["a named tuple"], indirect=True)
def test_other_texts_are_compiled_as_ever(made: Scene):
    made.look("""
        import collections, made, os

        def look():
            late = collections.namedtuple("Late", os.environ["NAMES"])
            try:
                collections.namedtuple("Bad", "class")
            except ValueError as exc:
                return [late._fields, repr(late(1, 2)), str(exc)]
    """)
    made.seal(NAMES="early earlier")
    assert made.run(NAMES="a b").result[1][:2] == [["a", "b"], "Late(a=1, b=2)"]


@pytest.mark.parametrize("name", ["eval", "exec", "compile"])
def test_a_function_that_was_replaced_is_asked(scene: Scene, name):
    scene.write(
        "later.py",
        """
        import collections, dataclasses, typing
        collections.namedtuple("Point", "x y")
        dataclasses.dataclass(type("Data", (), {"__annotations__": {"x": int}, "x": 1}))
        typing.ForwardRef("dict[int, str]")
    """,
    )
    scene.look(f"""
        import builtins
        original, asked = builtins.{name}, []

        def watched(text, *arguments, **options):
            asked.append(str(text)[:20])
            return original(text, *arguments, **options)

        import collections, dataclasses, typing
        builtins.{name} = watched
        import later
        builtins.{name} = original

        def look(): return len([text for text in asked if not text.startswith("<code")]) > 0
    """)
    scene.same()
