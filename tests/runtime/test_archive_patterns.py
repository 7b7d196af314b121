"""Regular expressions out of an archive: the same objects, only that they were not parsed."""

from __future__ import annotations

import pytest

from tests.fakes.sealed import ARCHIVE, Scene

# Counts what is parsed from here on, and describes a pattern by all that it has and does.
PROBE = """
import re
from re import _compiler

parsed = []
parse = _compiler.compile

def counted(pattern, flags=0):
    parsed.append(str(pattern))
    return parse(pattern, flags)

_compiler.compile = counted

def described(pattern, *texts):
    return [
        repr(pattern.pattern), pattern.flags, pattern.groups, dict(pattern.groupindex),
        [[m and [m.span(), repr(m.groups()), repr(m.groupdict())] for m in
          (pattern.match(t), pattern.search(t), pattern.fullmatch(t))] for t in texts],
        parse(pattern.pattern, pattern.flags) == pattern, repr(pattern),
    ]
"""

PATTERNS = {
    "plain": ("r'a+b'", "'xaab', ''"),
    "groups": (r"r'(?P<year>\d{4})-(?P<month>\d\d)(x)?'", "'2026-11', '2026-11x', '26'"),
    "flags": ("'(?i)äΩ.$', re.S | re.M", "'ÄΩ\\n', 'aω'"),
    "in place": ("r'(?im) ^ a  # said here', re.X", "'A', 'b\\na'"),
    "bytes": (r"rb'(\xff|[\x00-\x1f])+', re.A", r"b'\xff\x01', b'a'"),
    "locale": ("rb'\\w+', re.L", "b'abc'"),
    "look around": (r"r'(?<=\w)(?!\d)(?:a|bc)*?'", "'xabc'"),
    "sets": (r"r'[^\W\d_\-\u0400-\u04ff🐍]+'", "'abc', 'я', '🐍'"),
    "lone surrogate": (r"'[\ud800-\udfff]x'", r"'\udc80x'"),
    "large": ("'|'.join(f'word{n}' for n in range(3000))", "'word2999', 'word'"),
    "back reference": (r"r'(?P<q>[\"\']).*?(?P=q)(?(q)z|y)'", "'\"a\"z'"),
}


@pytest.mark.parametrize(("pattern", "texts"), PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_is_what_parsing_it_makes(scene: Scene, pattern, texts):
    scene.write("probe.py", PROBE)
    scene.look(f"""
        import probe, re
        pattern = re.compile({pattern})
        def look():
            return [probe.described(pattern, {texts}), pattern is re.compile({pattern})]
    """)
    scene.same()


def test_what_function_init_compiled_is_not_parsed_again_and_all_else_is(scene: Scene):
    scene.write("probe.py", PROBE)
    scene.look("""
        import probe, re
        re.compile("init", re.I)
        re.sub("by name", "", "")

        def look():
            re.compile("init")
            re.compile("late")
            return probe.parsed
    """)
    assert scene.run().result[1] == ["init", "by name", "init", "late"]
    assert scene.seal()["patterns"] >= 2
    assert scene.run().result[1] == ["init", "late"]


def test_a_purge_forgets_them(scene: Scene):
    scene.write("probe.py", PROBE)
    scene.look("""
        import probe, re
        re.compile("kept")

        def look():
            re.purge()
            del probe.parsed[:]
            re.compile("kept")
            return probe.parsed
    """)
    assert scene.same() == ["kept"]


def test_a_pattern_that_warns_goes_on_warning(scene: Scene):
    scene.look("""
        import re, warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            re.compile("[[a]")

        def look():
            return [str(warning.message) for warning in caught]
    """)
    assert "Possible nested set" in scene.same()[0]


def test_more_patterns_than_re_remembers_are_no_more_than_it_remembers(scene: Scene):
    scene.look("""
        import re
        for number in range(2000):
            re.compile(f"number {number}")

        def look():
            return [len(re._cache) <= re._MAXCACHE, re.compile("number 1999").pattern]
    """)
    assert scene.same() == [True, "number 1999"]


def test_a_function_without_re_has_none(scene: Scene):
    scene.look("""
        import sys

        def look():
            return "re" in sys.modules
    """)
    assert scene.same() is False


def test_damaged_patterns_end_the_use_of_the_archive(scene: Scene):
    scene.look(
        "import re\npattern = re.compile('q{7}')\ndef look(): return bool(pattern.match('qqqqqqq'))"
    )
    scene.seal()
    archive = scene.function.root / ARCHIVE
    content = bytearray(archive.read_bytes())
    place = content.rindex(b"q{7}")  # behind the code, in which it stands, too
    content[place] ^= 1
    archive.write_bytes(content)
    run = scene.run()
    assert run.result[1] is True
    (warning,) = run.stdout.splitlines()
    assert "what stands for the regular expressions in it is damaged" in warning


def test_the_same_function_is_sealed_into_the_same_bytes(scene: Scene):
    scene.look("""
        import re
        A, B = re.compile("(?P<one>a)|(?P<two>b)"), re.compile(b"(?P<one>a)")

        def look():
            return None
    """)
    contents = set()
    for seed in ("0", "1", "2"):
        scene.seal(PYTHONHASHSEED=seed)
        contents.add((scene.function.root / ARCHIVE).read_bytes())
    assert len(contents) == 1
