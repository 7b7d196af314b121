"""Module archives read by those who did not write them: a description, or a reason, and no more."""

from __future__ import annotations

import importlib.util
import marshal
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapboot_devkit.package.binary import modules, plain_marshal
from snapboot_devkit.package.in_target import archive
from snapboot_devkit.package.in_target.bytecode import marshalled

SOURCES = {"app": b"import package.member\n", "package": b"", "package.member": b"value = 1\n"}
EXTENSION = archive.ArchiveModule("fast", "slib-dynload", "fast.cpython-313-x86_64-linux-gnu.so")


def sealed(name: str, home: str, tail: str) -> archive.ArchiveModule:
    source = SOURCES[name]
    code = marshalled(source, f"/var/task/{name}.py")
    return archive.ArchiveModule(name, home, tail, code, importlib.util.source_hash(source))


@pytest.fixture
def content() -> bytes:
    written = [
        sealed("app", "t", "app.py"),
        sealed("package", "t", "package/__init__.py"),
        sealed("package.member", "tpackage", "member.py"),
        EXTENSION,
    ]
    return archive.archive(written, ["t", "s"])


NO_PATTERNS = (0, 0, b"")


def test_damaged_patterns_are_those_of_re():
    pattern = ("q{7}", 0, 32, b"\1\0\0\0", 0, {}, (None,))
    content = archive.archive([sealed("app", "t", "app.py")], ["t"], (pattern,))
    assert modules.read(content).damaged() == []
    assert modules.read(content.replace(b"q{7}", b"q{8}")).damaged() == ["re"]


def with_index(content: bytes, index: object, sources: object = None) -> bytes:
    """Return an archive whose index is well written, but is this."""
    fields = list(archive.HEADER.unpack_from(content))
    start = fields[4]
    index_bytes, hashes = marshal.dumps(index, 4), marshal.dumps(sources or {}, 4)
    fields[3] = start + len(index_bytes) + len(hashes)
    fields[5:8] = len(index_bytes), archive.check_of(index_bytes), start + len(index_bytes)
    return archive.HEADER.pack(*fields) + content[64:start] + index_bytes + hashes


# --- an archive -----------------------------------------------------------------------------------


def test_an_archive_says_what_is_in_it_and_for_whom(content):
    read = modules.read(content)
    assert [module.name for module in read.modules] == ["app", "package", "package.member", "fast"]
    paths = [module.path for module in read.modules]
    assert paths == ["app.py", "package/__init__.py", "package/member.py", None]
    assert [module.is_extension for module in read.modules] == [False, False, False, True]
    assert read.suits(importlib.util.MAGIC_NUMBER, sys.hexversion)
    assert not read.suits(importlib.util.MAGIC_NUMBER, sys.hexversion + 1)
    assert not read.suits(b"\0\0\r\n", sys.hexversion)
    assert read.version == ".".join(map(str, sys.version_info[:3]))


def test_the_header_is_as_it_was_agreed(content):
    assert content[:16] == b"snapboot.modules"
    assert content[16:20] == importlib.util.MAGIC_NUMBER
    hexversion, size, start, length = struct.unpack_from("<IQQQ", content, 20)
    sources = int.from_bytes(content[56:64], "little")
    assert (hexversion, size, sources) == (sys.hexversion, len(content), start + length)
    homes, entries, patterns, data, lazy = marshal.loads(content[start:sources])
    assert patterns == (0, 0, b"")
    assert (data, lazy) == ({}, {})
    assert homes == ("t", "tpackage", "slib-dynload")
    assert entries["app"][2] == 64
    assert entries["fast"] == (2, EXTENSION.tail, 0, 0, b"")


def test_damaged_code_is_reported_by_the_names_of_the_modules(content):
    read = modules.read(content)
    assert read.damaged() == []
    spoilt = bytearray(content)
    spoilt[read.modules[1].offset] ^= 1
    spoilt[read.modules[2].offset + read.modules[2].length - 1] ^= 1
    assert modules.read(bytes(spoilt)).damaged() == ["package", "package.member"]


def test_changed_sources_are_reported_by_the_names_of_the_modules(content):
    read = modules.read(content)
    assert read.changed(lambda module: SOURCES[module.name]) == []
    assert read.changed(lambda _: None) == []
    changed = {**SOURCES, "package.member": b"value = 2\n"}
    assert read.changed(lambda module: changed[module.name]) == ["package.member"]


def test_the_hash_of_a_source_is_that_of_the_python_it_was_made_for(content):
    """As another Python would have written it: its hashes begin with its own number."""
    import _imp

    magic = b"\x01\x02\r\n"
    key = int.from_bytes(magic, "little")
    hashes = {name: _imp.source_hash(key, source) for name, source in SOURCES.items()}
    start = struct.unpack_from("<Q", content, 32)[0]
    index = marshal.loads(content[start:])
    foreign = with_index(content[:16] + magic + content[20:], index, hashes)
    assert modules.read(foreign).changed(lambda module: SOURCES[module.name]) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: b"", "does not begin"),
        (lambda content: content[:63], "does not begin"),
        (lambda content: b"x" + content[1:], "does not begin"),
        (lambda content: content[:-1], "was written with"),
        (lambda content: content + b"\0", "was written with"),
        (lambda content: content[:48] + b"\0" + content[49:], "index is damaged"),
        (lambda content: content[:36] + b"\xff\xff" + content[38:], "index is damaged"),
        (lambda content: with_index(content, 1), "cannot be read"),
        (lambda content: with_index(content, ((), {})), "cannot be read"),
        (lambda content: with_index(content, ((), {}, (0, -1, b""))), "cannot be read"),
        (
            lambda content: with_index(
                content, (("t",), {"a": (5, "a.py", 0, 0, b"")}, NO_PATTERNS)
            ),
            "cannot be",
        ),
        (
            lambda content: with_index(content, (("t",), {"a": (0, "a.py", 0)}, NO_PATTERNS)),
            "cannot be read",
        ),
        (
            lambda content: with_index(content, (("t",), {"a": (0, 1, 0, 0, b"")}, NO_PATTERNS)),
            "cannot be read",
        ),
        (
            lambda content: with_index(content, (("t",), {"a": (0, "a", -1, 0, b"")}, NO_PATTERNS)),
            "cannot be",
        ),
        (
            lambda content: with_index(content, ((1,), {"a": (0, "a", 0, 0, b"")}, NO_PATTERNS)),
            "cannot be read",
        ),
        (lambda content: with_index(content, ((), {}, NO_PATTERNS), {"a": 1}), "cannot be read"),
        (lambda content: with_index(content, ((), {}, NO_PATTERNS), [1]), "cannot be read"),
        (
            lambda content: with_index(content, ((), compile("1", "", "eval"), NO_PATTERNS)),
            "cannot be read",
        ),
    ],
)
def test_what_is_no_archive_has_a_reason(content, spoil, words):
    with pytest.raises(modules.ModuleArchiveError, match=words):
        modules.read(spoil(content))


@given(st.data())
def test_one_wrong_byte_is_an_archive_with_a_flaw_or_none_at_all(data):
    written = archive.archive([sealed("app", "t", "app.py"), EXTENSION], ["t"])
    place = data.draw(st.integers(0, len(written) - 1))
    spoilt = bytearray(written)
    spoilt[place] ^= data.draw(st.integers(1, 255))
    try:
        read = modules.read(bytes(spoilt))
    except modules.ModuleArchiveError:
        return
    suits = read.suits(importlib.util.MAGIC_NUMBER, sys.hexversion)
    changed = read.changed(lambda module: SOURCES[module.name])
    in_sources = place >= int.from_bytes(written[56:64], "little") or 56 <= place < 64
    assert not suits or read.damaged() or changed or in_sources


# --- marshal, as far as data is plain --------------------------------------------------------------

PLAIN = st.recursive(
    st.integers(-(1 << 75) + 1, (1 << 75) - 1)
    | st.text(st.characters(codec=None), max_size=300)
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max([0, *map(_depth, value.values())])
    return 1 + max([0, *map(_depth, value)]) if isinstance(value, tuple) else 0


@given(PLAIN)
def test_plain_data_comes_back_as_marshal_itself_reads_it(value):
    if _depth(value) <= plain_marshal.MAX_DEPTH:
        assert plain_marshal.loads(marshal.dumps((value, value), 4)[0:]) == (value, value)


@given(st.binary(max_size=200))
def test_any_bytes_are_plain_data_or_an_error(content):
    try:
        plain_marshal.loads(content)
    except plain_marshal.PlainMarshalError:
        return


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"(\xff\xff\xff\x7f",  # a tuple of two billion
        b"s\xff\xff\xff\x7f",  # bytes
        b"u\xff\xff\xff\xff",  # a text of less than nothing
        b"l\x00\x00\x00\x80",  # an integer
        b"r\x00\x00\x00\x00",  # a reference to nothing
        b"r\xff\xff\xff\xff",
        b")\x01" * 1000,
        b"\xa9\x01r\x00\x00\x00\x00{r\x00\x00\x00\x00",
        b"{" * 1000,
        marshal.dumps(compile("1", "", "eval"), 4),
        marshal.dumps(1.5, 4),
        marshal.dumps([1], 4),
        marshal.dumps({(1,): {2}}, 4),
        marshal.dumps({1: 2}, 4),
        marshal.dumps(1 << 75, 4),
        b"l" + struct.pack("<i", 300_000) + b"\xff\x7f" * 300_000,
    ],
)
def test_lengths_and_types_that_cannot_be_are_an_error(content):
    with pytest.raises(plain_marshal.PlainMarshalError):
        plain_marshal.loads(content)


# --- data -----------------------------------------------------------------------------------------

DOCUMENT = b"a document, pickled"


def with_data(**changes: Any) -> bytes:
    key = int.from_bytes(importlib.util.MAGIC_NUMBER, "little")
    import _imp

    hashes = {
        "tdata/a.json": _imp.source_hash(key, b"{}"),
        "*tdata/*/a.json*": archive.listing_hash(["one/a.json", "two/a.json"]),
    }
    data = archive.ArchiveData(
        (DOCUMENT,), {"tdata": ({}, {}, {"a": (".json", 0)})}, {**hashes, **changes}
    )
    return archive.archive([sealed("app", "t", "app.py")], ["t"], (), {"app": data})


def test_damaged_data_is_reported_by_the_module_that_it_is_for():
    content = with_data()
    assert modules.read(content).damaged() == []
    assert modules.read(content.replace(DOCUMENT, DOCUMENT.upper())).damaged() == ["app"]
    read = modules.read(content)
    at = read.data["app"][0][0]  # the table
    spoilt = content[:at] + b"#" + content[at + 1 :]
    assert modules.read(spoilt).damaged() == ["app"]


@pytest.mark.parametrize(
    ("content", "names", "changed"),
    [
        (b"{}", ["one/a.json", "two/a.json"], []),
        (b"[]", ["one/a.json", "two/a.json"], ["tdata/a.json"]),
        (b"", None, ["tdata/a.json"]),
        (b"{}", ["one/a.json"], ["tdata/*/a.json*"]),
        (None, [], ["tdata/*/a.json*"]),
        (None, None, []),
    ],
)
def test_files_that_data_was_made_of_are_compared(content, names, changed):
    read = modules.read(with_data())
    assert read.changed_files(lambda _: content, lambda _: names) == changed


def test_an_archive_of_before_there_was_data_can_be_read(content):
    homes, entries, patterns, *_ = marshal.loads(
        content[int.from_bytes(content[32:40], "little") :]
    )
    assert modules.read(with_index(content, (homes, entries, patterns))).data == {}


def test_data_that_would_be_gone_through_for_ever_is_refused():
    many = {f"*t{number}/*": bytes(8) for number in range(1_000)}
    with pytest.raises(modules.ModuleArchiveError, match="more than 100 patterns"):
        modules.read(with_data(**many))
