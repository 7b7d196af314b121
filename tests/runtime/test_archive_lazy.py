"""Imports that wait, as `--lazy guided` has them: what a function sees is what it would see."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.fakes import boto
from tests.fakes.boto import VARIABLES
from tests.fakes.sealed import Scene
from tests.fakes.sealed import seal as sealed

GUIDED = ("--lazy", "guided")
IS_NATIVE = sys.version_info >= (3, 15)


def seal(scene: Scene, *events: str, **environment: str) -> dict[str, Any]:
    """Seal with guided imports; return the packager's answer."""
    options = [word for event in events for word in ("--event", event)]
    answer = sealed(
        scene.function.root, "scene.handler", options=(*GUIDED, *options), **environment
    )
    answer["lazy"].pop("scene", None)  # which imports what a test is about
    return answer


def same(scene: Scene, *events: str, **environment: str) -> dict[str, Any]:
    """See that guided imports show what is seen without an archive; return the answer."""
    files = scene.run(**environment)
    answer = seal(scene, *events, **environment)
    archive = scene.run(**environment)
    assert archive.result[1] == files.result[1], archive.result
    assert archive.result[0] == "ArchiveLoader"
    assert archive.stderr == files.stderr
    return answer


def test_an_import_that_was_not_needed_is_made_by_the_function_that_uses_it(scene: Scene):
    scene.write("tool.py", "def use(): return 'used'\n")
    scene.write("other.py", "import tool\n\ndef run():\n    return tool.use()\n")
    scene.look("""
        import sys, other
        before = "tool" in sys.modules
        def look(): return [before, other.run(), "tool" in sys.modules]
    """)
    assert seal(scene)["lazy"] == {"other": ["tool"]}
    assert scene.run().result[1] == [False, "used", True]
    assert scene.run(SNAPBOOT_LAZY_IMPORTS="off").result[1] == [True, "used", True]


# Each module has names late, and looks at itself in one of the ways that modules do.
TRICKY = {
    "renamed": "from package import name as other\ndef look(): return other\n",
    "dotted": "import package.part.inner\ndef look(): return package.part.inner.value\n",
    "listed": "from package import name\n__all__ = ['name']\ndef look(): return name\n",
    "nested": """
        import tool
        def outer():
            def inner(): return [tool.value for _ in range(2)]
            return inner
        class Kind:
            @property
            def value(self): return {tool.value: lambda: tool.value}[1]()
        async def later(): return tool.value
        def each(): yield tool.value
        def look():
            return [outer()(), Kind().value, list(each()), (lambda: tool.value)()]
    """,
    "documented": """
        '''The module.'''
        from __future__ import annotations
        import tool
        def look():
            '''The function.'''
            return [__doc__, look.__doc__, tool.value, look.__code__.co_firstlineno]
    """,
    "documented_only": "import tool\ndef use(): return tool\ndef look():\n    '''Nothing.'''\n",
    "itself": """
        import sys, tool
        def use(): return tool
        def look():
            own = sys.modules[__name__]
            return [own.tool.value, hasattr(own, "nothing"), sorted(dir(own)),
                    __import__("inspect").getmembers(own, callable)[-1][0]]
    """,
    "matching": """
        import tool
        def look():
            match 1:
                case tool.value: return "matched"
    """,
    "failing": """
        import tool
        def look():
            try:
                raise tool.Wrong("so")
            except tool.Wrong as error:
                return [error.__traceback__.tb_lineno, str(error)]
    """,
    "pickled": """
        import pickle, tool
        def look(): return pickle.loads(pickle.dumps([tool.same, tool.Kind(3)]))[1].value
    """,
    "around": "import round_trip\nvalue = 5\ndef look(): return round_trip.look()\n",
    "round_trip": "import around\ndef look(): return around.value\n",
    "copied": "import tool\ndef look(): return dict(globals())['tool'].value\n",
    "removed": "import tool\ndel tool\ndef look(): return 'tool' in dir()\n",
    "shadowed": "from package import open\ndef look(): return open()\n",
    "private": "import __hidden\nclass C:\n    def f(self): return 1\ndef look(): return C().f()\n",
    "typed": """
        import tool
        def f(x: "tool.Kind") -> None: pass
        def look(): return __import__("typing").get_type_hints(f)["x"].__name__
    """,
    "two": "import tool; import package\ndef look(): return [tool.value, package.name]\n",
    "optional": """
        try:
            import nothing_here as n
        except ImportError:
            n = None
        def look(): return n
    """,
}


@pytest.fixture
def tricky(scene: Scene) -> Scene:
    scene.write(
        "tool.py",
        "value = 1\nclass Wrong(Exception): pass\ndef same(f): return f\n"
        "class Kind:\n    def __init__(self, value): self.value = value\n",
    )
    scene.write("__hidden.py")
    scene.write("package/__init__.py", "name = 7\ndef open(): return 'mine'\n")
    scene.write("package/part/__init__.py")
    scene.write("package/part/inner.py", "value = 9\n")
    for name, source in TRICKY.items():
        scene.write(f"{name}.py", source)
    return scene


def test_modules_that_look_at_themselves_see_what_they_would_see(tricky: Scene):
    names = ", ".join(TRICKY)
    tricky.look(f"""
        import {names}
        def look(): return [[each.__name__, each.look()] for each in ({names})]
    """)
    answer = same(tricky)
    late = {"renamed", "dotted", "listed", "nested", "documented", "itself", "matching", "failing"}
    assert late | {"pickled"} <= answer["lazy"].keys()
    eager = {"copied", "removed", "shadowed", "private", "typed", "two"}
    assert eager <= answer["eager"].keys()
    assert not (eager | {"optional"}) & answer["lazy"].keys()


def test_names_are_there_for_a_caller_that_asks_from_outside(scene: Scene):
    scene.write("package/__init__.py", "from .part import name\nfrom . import last\n")
    scene.write("package/part.py", "name = 7\n")
    scene.write("package/last.py", "import package.part as alias\nvalue = 8\n")
    scene.write("plain/__init__.py", "def __getattr__(name): return name + '?'\n")
    scene.write("plain/part.py")
    scene.write(
        "middle.py",
        "import package, plain.part\nfrom package import name as renamed\n"
        "def f(): return package, renamed, plain\n",
    )
    scene.look("""
        import middle
        from unittest import mock
        def look():
            with mock.patch("middle.renamed", "patched"):
                patched = middle.f()[1]
            result = [patched, middle.renamed, middle.package.last.value, middle.f()[1]]
            from package.last import alias
            import package.part, plain
            try:
                middle.nothing
            except AttributeError as error:
                result += [str(error), error.name, error.obj is middle]
            try:
                from middle import nothing
            except ImportError as error:
                result.append(str(error))
            return result + [alias.name, package.part is alias, hasattr(middle, "nothing"),
                             plain.other, plain.part.__name__]
    """)
    same(scene)


def test_threads_that_call_at_the_same_time_get_the_same_module(scene: Scene):
    scene.write("tool.py", "import time\ndone = time.sleep(0.05)\nvalue = object()\n")
    scene.write("other.py", "from tool import value\ndef run(): return value\n")
    scene.look("""
        import threading, other
        def look():
            found, start = [], threading.Barrier(8)
            def run():
                start.wait()
                found.append(other.run())
            threads = [threading.Thread(target=run) for _ in range(8)]
            for each in threads: each.start()
            for each in threads: each.join()
            return [len(found), len(set(map(id, found)))]
    """)
    assert same(scene)["lazy"]["other"] == ["value"]


def test_what_is_loaded_anyway_does_not_wait(scene: Scene):
    scene.write("tool.py", "value = 1\n")
    scene.write("other.py", "from tool import value\ndef run(): return value\n")
    scene.look("""
        import tool, other
        tool.value = 2 * tool.value
        def look(): return other.run()
    """)
    assert "other" not in same(scene)["lazy"]


def test_a_module_that_its_package_gives_away_by_a_star_does_not_wait(scene: Scene):
    scene.write("pkg/__init__.py", "x = 1\n")
    scene.write("pkg/part.py", "name = 7\n")
    scene.write("user.py", "from pkg.part import name\ndef f(): return name\n")
    scene.write("star.py", "from pkg import *\ndef f(): return part.name\n")
    scene.look("import user, star\ndef look(): return star.f()\n")
    assert "user" not in same(scene)["lazy"]


def test_what_a_circle_of_modules_by_a_name_in_a_string_changes_is_kept(scene: Scene):
    scene.write("first.py", "import second\ndef f(): return second\n")
    scene.write("second.py", "import first, effect\ndef f(): return first, effect\n")
    scene.write("effect.py", "import sys\nsys.path.append('/added')\n")
    scene.look("""
        import importlib, sys
        importlib.import_module("first")
        def look(): return "/added" in sys.path
    """)
    assert "effect changes sys.path" in " ".join(same(scene)["eager"]["second"])


KEPT = {
    "in a class body": ("import tool\nclass C:\n    x = tool.value\n", "used while the module"),
    "in a default": ("import tool\ndef f(x=tool.value): return x\n", "used while the module"),
    "in a decorator": ("import tool\n@tool.same\ndef f(): pass\n", "used while the module"),
    "bound twice": ("import tool\ndef f():\n    global tool\n    tool = 1\n", "more than once"),
    "by a star": ("from tool import *\ndef f(): return value\n", "by *"),
    "with eval": ("import tool\ndef f(): return eval('tool.value')\n", "uses eval()"),
    "with an own __getattr__": (
        "import tool\ndef f(): return tool\ndef __getattr__(n): raise AttributeError(n)\n",
        "__getattr__",
    ),
    "a type as text": (
        "from typing import Optional\nfrom tool import T\nAlias = Optional['T']\ndef f(): return T\n",
        "used while the module is executed",
    ),
    "unused": ("import tool\n", "nothing uses the name"),
    "called": ("import tool\ndef f(): return tool\nf()\n", "was called"),
}


@pytest.mark.parametrize(("source", "reason"), KEPT.values(), ids=KEPT)
def test_what_cannot_wait_is_made_at_once_and_the_report_says_why(scene: Scene, source, reason):
    scene.write("tool.py", "value = 1\ndef same(f): return f\nclass T: pass\n")
    scene.write("other.py", source)
    scene.look("import sys, other\ndef look(): return 'tool' in sys.modules\n")
    answer = same(scene)
    assert reason in " ".join(answer["eager"]["other"])
    assert "other" not in answer["lazy"]


# What the execution of a module does, and what is said of it.
EFFECTS = {
    "a route": ("from web import app\n@app.get('/x')\ndef x(): pass\n", "an object App of web"),
    "a list of another's": ("from web import KINDS\nKINDS.append(1)\n", "web.KINDS"),
    "a subclass that is noted": ("from web import Plugin\nclass P(Plugin): pass\n", "class Plugin"),
    "a function by type": (
        "from web import show\n@show.register\ndef _(x: int): return 'int'\n",
        "registry in",
    ),
    "a patch": ("import json\njson.dumps = str\n", "json.dumps"),
    "a patch of a class": ("from web import App\nApp.name = 'other'\n", "changes App.name"),
    "a filter": ("import warnings\nwarnings.simplefilter('ignore')\n", "warnings"),
    "a signal": ("import signal\nsignal.signal(10, lambda *_: 0)\n", "signal"),
    "a thread": (
        "import threading\nt = threading.Thread(target=int, daemon=True)\nt.start()\n",
        "hread",
    ),
    "a variable": ("import os\nos.environ['SET'] = '1'\n", "environ"),
    "an exit": ("import atexit\ndone = atexit.register(int)\n", "atexit"),
    "a codec": ("import codecs\ndone = codecs.register(lambda n: None)\n", "_codecs.register()"),
    "a handler of logs": (
        "import logging\nlogging.root.addHandler(h := logging.StreamHandler())\n",
        "logg",
    ),
    "an alias": ("import sys, json\nsys.modules['other_json'] = json\n", "other_json"),
    "a finder": ("import sys\nsys.meta_path.append(type('F', (), {'find_spec': lambda *_: None}))\n",
                 "sys.meta_path"),
    "a base of types": ("import numbers\nclass N: pass\ndone = numbers.Number.register(N)\n", "abc"),
    "a copier": ("import copyreg\nclass N: pass\ndone = copyreg.pickle(N, str)\n", "dispatch_table"),
    "a seed": ("import random\nrandom.seed(7)\n", "random.seed()"),
    "a folder": ("import os\ndone = os.chdir('/')\n", "the working directory"),
    "a word": ("print('hello')\n", "print"),
}  # fmt: skip


def test_modules_that_change_what_is_not_their_own_are_imported_at_once(scene: Scene):
    scene.write(
        "web.py",
        """
        import functools
        class App:
            name = "app"
            def __init__(self): self.routes = {}
            def get(self, path):
                def add(function):
                    self.routes[path] = function
                    return function
                return add
        class Plugin:
            known = []
            def __init_subclass__(cls): Plugin.known.append(cls)
        @functools.singledispatch
        def show(x): return "any"
        app, KINDS = App(), []
        """,
    )
    lines = ["import web"]
    for number, (source, _) in enumerate(EFFECTS.values()):
        scene.write(f"effect_{number}.py", source)
        scene.write(
            f"holder_{number}.py", f"import effect_{number}\ndef f(): return effect_{number}\n"
        )
        lines.append(f"import holder_{number}")
    scene.write(
        "quiet.py",
        "import logging\nlogging.getLogger(__name__).addHandler(logging.NullHandler())\n",
    )
    scene.write("holder.py", "import quiet\ndef f(): return quiet\n")
    scene.look(
        "\n".join(
            [
                *lines,
                "import holder, sys",
                "def look():",
                " return [sorted(web.app.routes), web.show(1), len(web.KINDS), len(web.Plugin.known)]",
            ]
        )
    )
    answer = same(scene)
    for number, (name, (_, reason)) in enumerate(EFFECTS.items()):
        reasons = " ".join(answer["eager"].get(f"holder_{number}", ()))
        assert reason in reasons, (name, reasons, answer["lazy"].get(f"holder_{number}"))
    assert [name for name in answer["lazy"] if name.startswith("holder")] == ["holder"]


def test_nothing_waits_where_the_function_hides_what_it_uses(scene: Scene):
    scene.write("tool.py")
    scene.write("other.py", "import tool\ndef run(): return tool.__name__\n")
    scene.look("import sys, other\nsys.setprofile(None)\ndef look(): return other.run()\n")
    answer = same(scene)
    assert answer["lazy"] == {}
    assert "profiler" in answer["eager"]["other"][0]


def test_a_late_failure_names_the_import_its_module_and_line(scene: Scene):
    scene.write("tool.py", "import os\nif 'BROKEN' in os.environ:\n    raise RuntimeError('no')\n")
    scene.write("other.py", "'''Words.'''\n\n\nimport tool\n\ndef run(): return tool\n")
    scene.look("import other\ndef look(): return other.run().__name__\n")
    assert seal(scene)["lazy"]["other"] == ["tool"]
    run = scene.run(BROKEN="1")
    (answer,) = run.answers
    trace = "".join(json.loads(answer.body)["stackTrace"])
    assert "other.py" in trace
    if IS_NATIVE:  # the interpreter's own words
        assert "tool" in run.stdout
    else:
        assert 'other.py", line 4' in trace
        assert "'tool' is of the import in line 4 of other" in run.stdout
        assert "SNAPBOOT_LAZY_IMPORTS=off" in run.stdout


def test_a_late_failure_of_function_init_is_logged_with_its_import(scene: Scene):
    scene.write("tool.py", "import os\nif 'BROKEN' in os.environ:\n    raise RuntimeError('no')\n")
    scene.write("other.py", "import tool\n\ndef run(): return tool\n")
    scene.look("""
        import os, other
        if 'BROKEN' in os.environ:
            other.run()
        def look(): return ''
    """)
    assert seal(scene)["lazy"]["other"] == ["tool"]
    shown = scene.run(BROKEN="1").stdout
    assert ("tool" if IS_NATIVE else "'tool' is of the import in line 1 of other") in shown


def test_events_show_what_is_used(scene: Scene):
    scene.write("tool.py", "value = 1\n")
    scene.write("other.py", "import tool\ndef run(): return tool.value\n")
    scene.look("import other\ndef look(): return other.run()")
    assert "other" in same(scene)["lazy"]
    assert "other" not in same(scene, "{}")["lazy"]


def test_an_event_that_fails_is_an_error_of_the_packager(scene: Scene):
    scene.look(
        "asked = []\ndef look():\n    asked.append(1)\n    if asked[1:]: raise ValueError('x')"
    )
    with pytest.raises(AssertionError) as raised:
        seal(scene, "1", "2")
    assert "fails for --event 2: ValueError: x" in str(raised.value)
    assert "leave --event out" in str(raised.value)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_a_stream_uses_is_seen_and_so_is_its_failure(scene: Scene, kind: str):
    scene.write("tool.py", "value = b'piece'\n")
    scene.write("other.py", "import tool\ndef run(): return tool.value\n")
    scene.write(
        "scene.py",
        f"import other\n{kind} handler(event, context):\n    yield b'first'\n    yield other.run()\n"
        "    if event: raise ValueError('late')\n",
    )
    assert "other" not in seal(scene, "0", "null")["lazy"]
    with pytest.raises(AssertionError, match="fails for --event 2: ValueError"):
        seal(scene, "0", "1")


def test_the_same_function_gives_the_same_archive(tricky: Scene):
    tricky.look(f"import {', '.join(TRICKY)}\ndef look(): pass")
    contents = set()
    for _ in range(2):
        seal(tricky)
        contents.add((tricky.function.root / "snapboot.modules").read_bytes())
    assert len(contents) == 1


@pytest.mark.slow
def test_boto3_does_with_imports_that_wait_what_it_does_without(scene: Scene):
    boto.place(scene.function.root)
    scene.look("""
        import io
        import boto3
        from botocore.response import StreamingBody
        from botocore.stub import Stubber

        client = boto3.client("s3")

        def look():
            with Stubber(client) as stub:
                body = {"Body": StreamingBody(io.BytesIO(b"x"), 1)}
                stub.add_response("get_object", body, {"Bucket": "b", "Key": "k"})
                read = client.get_object(Bucket="b", Key="k")["Body"].read().decode()
            import boto3.session, botocore.docs, s3transfer.manager
            s3transfer.manager.TransferManager(client).shutdown()
            other = boto3.client("dynamodb")
            signed = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
            table = boto3.resource("dynamodb").Table("orders")
            return [read, signed.partition("?")[0], table.name,
                    other.get_waiter("table_exists").name, other.can_paginate("scan"),
                    botocore.docs.__name__, bool(client.get_object.__doc__),
                    boto3.Session().get_available_regions("sqs")[:3]]
    """)
    answer = same(scene, **VARIABLES)
    assert sum(map(len, answer["lazy"].values())) > 50
