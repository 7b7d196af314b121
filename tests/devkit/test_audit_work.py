"""Input made to keep an audit busy: what it costs is counted, in calls and bytes, and has a bound."""

import io
import itertools
import marshal
import random
import stat
import struct
import sys
import zipfile
from contextlib import contextmanager, suppress

import pytest

from snapboot_devkit.package.audit import AuditError, audit
from snapboot_devkit.package.binary import bytecode, elf, modules, plain_marshal
from snapboot_devkit.package.binary.limits import Steps, TooMuchWorkError
from snapboot_devkit.package.checks import zips
from snapboot_devkit.package.checks.contents import MAX_TEXT_BYTES, opened
from snapboot_devkit.package.checks.distributions import distributions
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import layout
from snapboot_devkit.package.checks.zips import ZipStore
from snapboot_devkit.package.in_target import archive
from tests.devkit.audited import compile_all, distribution, entry, filled, zipped
from tests.devkit.test_elf import EXTENSIONS
from tests.devkit.test_module_archive_reading import NO_PATTERNS, with_index

APP = {"app.py": "def handler(event, context): return event\n"}


class TooManyCallsError(Exception):
    pass


@contextmanager
def at_most(calls):
    """Let the code inside make so many calls of functions, Python's and C's, and no more."""
    counter = itertools.count()

    def count(_, what, __):
        if what in {"call", "c_call"} and next(counter) >= calls:
            sys.setprofile(None)
            raise TooManyCallsError(f"more than {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def with_modules(entries, body=b"", sources=None):
    """Return a module archive with this index, whose checks are right."""
    empty = archive.archive([], ["t"])
    head = list(archive.HEADER.unpack_from(empty))
    head[4] = archive.HEADER.size + len(body)
    content = archive.HEADER.pack(*head) + body
    return with_index(content, (("t",), entries, NO_PATTERNS), sources)


# ---- module archives -------------------------------------------------------------------------


def test_an_integer_of_millions_of_digits_is_refused_unread():
    digits = 1_000_000
    content = b"l" + struct.pack("<i", digits) + b"\xff\x7f" * digits
    with at_most(500), pytest.raises(plain_marshal.PlainMarshalError, match="1000000 digits"):
        plain_marshal.loads(content)


def test_references_that_multiply_are_counted_as_what_they_stand_for():
    # A tuple of 100 times itself, seven times over: 10**14 values in 4 KB.
    level = b"\xa9\x01N".replace(b"N", b"i\0\0\0\0")
    higher = (b"\xa9\x64" + (b"r" + struct.pack("<i", number + 1)) * 100 for number in range(7))
    parts = [level, *higher]
    content = b"\xa9" + bytes([len(parts)]) + b"".join(parts)
    with (
        at_most(plain_marshal.MAX_VALUES * 10),
        pytest.raises(plain_marshal.PlainMarshalError, match=r"more than 700,000 values"),
    ):
        plain_marshal.loads(content)


def test_no_byte_of_an_archive_is_hashed_for_two_modules():
    body = bytes(1_000_000)
    entries = {f"m{n}": (0, f"m{n}.py", 64, len(body), bytes(8)) for n in range(1_000)}
    with at_most(200_000), pytest.raises(modules.ModuleArchiveError, match="overlap"):
        modules.read(with_modules(entries, body))


def test_patterns_share_no_byte_with_a_module():
    content = with_modules({"m": (0, "m.py", 64, 100, bytes(8))}, bytes(100))
    index = (("t",), {"m": (0, "m.py", 64, 100, bytes(8))}, (64, 100, bytes(8)))
    with pytest.raises(modules.ModuleArchiveError, match="overlap"):
        modules.read(with_index(content, index))


def test_code_that_runs_into_the_index_is_refused():
    entries = {"m": (0, "m.py", 64, 101, bytes(8))}
    with pytest.raises(modules.ModuleArchiveError, match="run into"):
        modules.read(with_modules(entries, bytes(100)))


def test_a_source_is_hashed_once_however_many_modules_claim_to_be_in_it():
    entries = {f"m{n}": (0, "m.py", 0, 0, b"") for n in range(1_000)}
    read = modules.read(with_modules(entries, sources=dict.fromkeys(entries, bytes(8))))
    asked = []
    changed = read.changed(lambda module: asked.append(module.name) or b"source")
    assert (len(asked), len(changed)) == (1, 1_000)


@pytest.mark.parametrize("value", [("x" * 10_000,) * 1_000, b"x" * 1_000_000])
def test_a_reason_does_not_repeat_what_is_wrong(value):
    with pytest.raises(modules.ModuleArchiveError) as raised:
        modules.read(with_modules({"m": (0, value, 0, 0, b"")}))
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("homes", [{}, {"a": 1}, "", b"", 1])
def test_homes_that_are_no_list_are_a_reason(homes):
    content = with_modules({})
    with pytest.raises(modules.ModuleArchiveError, match="cannot be read"):
        modules.read(with_index(content, (homes, {"m": (0, "m.py", 0, 0, b"")}, NO_PATTERNS)))


# ---- zips ------------------------------------------------------------------------------------


def packed(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for head, content in entries:
            made.writestr(entry(head) if isinstance(head, str) else head, content)
    return path


def opened_within(path, calls):
    with at_most(calls), ZipStore(path) as store:
        return opened(store)


def test_a_directory_of_too_many_entries_is_refused_before_they_are_made(tmp_path):
    path = packed(tmp_path / "function.zip", *APP.items())
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    count = zips.MAX_ENTRIES + 1
    last = bytearray(content[end:])
    last[12:16] = struct.pack("<I", (end - at) * count)
    path.write_bytes(content[:at] + content[at:end] * count + bytes(last))
    with pytest.raises(AuditError, match=f"more than {zips.MAX_ENTRIES} files"):
        opened_within(path, 10 * zips.MAX_ENTRIES)


def test_extra_fields_without_end_are_refused(tmp_path):
    info = entry("app.py")
    info.extra = b"\0\0\0\0" * 16_000
    path = packed(tmp_path / "function.zip", (info, ""))
    with pytest.raises(AuditError, match="64000 bytes of extra fields"):
        opened_within(path, 1_000)


def test_extra_fields_within_the_limit_are_gone_through_once(tmp_path):
    info = entry("app.py")
    info.extra = b"\0\0\0\0" * (zips.MAX_EXTRA_BYTES // 4)
    package = opened_within(packed(tmp_path / "function.zip", (info, "")), 5_000)
    assert [one.path for one in package.files] == ["app.py"]


def test_folders_in_each_other_are_counted_once(tmp_path):
    deep = "/".join("d" * 90)
    names = [(f"{deep}/{number}", "") for number in range(300)]
    package = opened_within(packed(tmp_path / "function.zip", *names), 250_000)
    assert len(package.entries) == 90 + 300


def test_a_name_deeper_than_any_tool_makes_is_an_error(tmp_path):
    path = packed(tmp_path / "function.zip", *APP.items(), ("d/" * 101 + "f", ""))
    assert "bad-entry" in {one.code for one in audit(path).findings}


def test_more_folders_than_files_may_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "MAX_ENTRIES", 100)
    names = [(f"{number}/a/b/c/d", "") for number in range(50)]
    with pytest.raises(AuditError, match="more than 100 folders"):
        opened_within(packed(tmp_path / "function.zip", *names), 10_000)


def test_bytes_that_many_entries_share_are_read_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(zips._CountedFile, "left", 100_000)
    noise = random.Random(1).randbytes(30_000)
    path = packed(tmp_path / "function.zip", *((f"{n}.bin", noise) for n in range(10)))
    with ZipStore(path) as store:
        package = opened(store)
        read = [one.path for one in package.files if package.content(one.path)]
    assert 1 <= len(read) <= 3
    assert len(read) + len(package.unread) == 10
    assert "of the zip would be read" in package.unread["9.bin"]


# ---- what installers write -------------------------------------------------------------------


def read_distributions(folder, most):
    package = opened(FolderStore(folder))
    package.steps = Steps(most)
    found = distributions(package, layout(package, image=False))
    return package, found


def test_rows_of_a_record_are_counted(tmp_path):
    files = {"a-1.dist-info/RECORD": "\n" * 5_000, "b-1.dist-info/RECORD": "app.py,,\n" * 3}
    with at_most(60_000):
        package, found = read_distributions(filled(tmp_path, APP | files), 1_000)
    assert package.unread.keys() == {"a-1.dist-info/RECORD", "b-1.dist-info/RECORD"}
    assert package.steps.taken <= 1_000
    assert [one.name for one in found] == ["a", "b"]


@pytest.mark.parametrize("tag", [".".join("a" * 90), "-".join([".".join("a" * 90)] * 3)])
def test_tags_are_not_multiplied_out_without_end(tmp_path, tag):
    files = {"a-1.dist-info/WHEEL": f"Tag: {tag}\n" * 30}
    with at_most(20_000):
        _, (found,) = read_distributions(filled(tmp_path, APP | files), 10_000_000)
    assert found.tags == ()


def test_a_text_longer_than_any_is_not_read(tmp_path):
    files = {
        "a-1.dist-info/WHEEL": "Tag: py3-none-any\n" * 20_000,
        "x/site-packages/a.pth": "x\n" * 200_000,
    }
    folder = compile_all(filled(tmp_path, APP | files))
    unread = {one.path: one.message for one in audit(folder).findings if one.code == "unread"}
    assert unread.keys() == files.keys()
    assert f"more than {MAX_TEXT_BYTES}" in unread["x/site-packages/a.pth"]


def test_folders_of_packages_without_end_are_not_all_looked_through(tmp_path):
    files = {f"{n}/site-packages/m.py": "" for n in range(2_000)}
    package = opened(FolderStore(filled(tmp_path, APP | files)))
    with at_most(200_000):
        places = layout(package, image=False)
    assert len(places.roots) <= 20


def test_an_audit_of_many_package_folders_grows_with_their_number_alone(tmp_path):
    files = {f"{n}/site-packages/m.py": "" for n in range(300)}
    folder = compile_all(filled(tmp_path, APP | files))
    with at_most(1_500 * 300):
        audit(folder)


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    from snapboot_devkit.package.checks import folders

    monkeypatch.setattr(folders, "MAX_ENTRIES", 10)
    filled(tmp_path, {str(n): "" for n in range(11)})
    with pytest.raises(AuditError, match="more than 10 files"):
        opened(FolderStore(tmp_path))


# ---- ELF files -------------------------------------------------------------------------------


@pytest.mark.skipif(not EXTENSIONS, reason="this Python has no extension modules of their own")
def test_reads_of_elf_files_are_counted_for_the_whole_package(tmp_path):
    content = EXTENSIONS[0].read_bytes()
    steps = Steps()
    elf.needs_of(io.BytesIO(content), "one", steps)
    once = steps.taken
    assert once > 100
    folder = compile_all(filled(tmp_path, APP | {f"{n}.so": content + bytes(n) for n in range(5)}))
    package = opened(FolderStore(folder))
    package.steps = Steps(3 * once)
    from snapboot_devkit.package.checks import binaries

    read = binaries.read(package, ())
    assert (len(read.found), len(read.damaged)) == (3, 2)
    assert "steps" in read.damaged[0].message


def test_sections_without_end_are_read_up_to_a_limit():
    head = bytearray(64)
    head[:7] = b"\x7fELF\x02\x01\x01"
    head[16:20] = b"\x03\0\x3e\0"
    head[40:48] = (64).to_bytes(8, "little")  # e_shoff
    head[52:64] = struct.pack("<HHHHHH", 64, 56, 0, 64, 0, 0)  # e_shnum 0: it is in section 0
    section = struct.pack("<IIQQQQIIQQ", 0, 0x6FFFFFFE, 0, 0, 0, 1 << 60, 0, 1 << 31, 0, 0)
    content = bytes(head) + section + bytes(1_000_000)
    for read in (elf.needs_of, elf.debug_bytes_of):
        steps = Steps(20_000)
        with at_most(2_000_000), suppress(elf.ElfError):
            read(io.BytesIO(content), "endless", steps)
        assert steps.taken <= 20_000


def test_steps_are_refused_before_they_are_taken():
    steps = Steps(10)
    steps.take(10)
    with pytest.raises(TooMuchWorkError):
        steps.take()
    assert steps.taken == 10


# ---- any bytes at all ------------------------------------------------------------------------


def damaged(content, chance, times):
    """Change, cut, repeat and swap pieces of some content, as often."""
    content = bytearray(content)
    for _ in range(times):
        at = chance.randrange(len(content) + 1)
        size = chance.choice((1, 1, 1, 4, 16, 200))
        match chance.randrange(5):
            case 0:
                content[at : at + size] = chance.randbytes(min(size, len(content) - at))
            case 1:
                del content[at : at + size]
            case 2:
                content[at:at] = content[at : at + size] * chance.randrange(1, 4)
            case 3:
                content[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f"))
            case 4:
                other = chance.randrange(len(content) + 1)
                content[at : at + size] = content[other : other + size]
    return bytes(content)


def sound_archive():
    source = b"import package.member\n" * 5
    code = marshal.dumps(compile(source, "app.py", "exec"))
    made = [archive.ArchiveModule(f"m{n}", "t", f"m{n}.py", code, bytes(8)) for n in range(4)]
    return archive.archive(made, ["t"])


def read_bytecode(content):
    with suppress(bytecode.BytecodeError):
        bytecode.header(content).is_of(b"source")


def read_modules(content):
    with suppress(modules.ModuleArchiveError):
        read = modules.read(content)
        assert sum(one.length for one in read.modules) <= len(content)
        read.damaged()
        read.changed(lambda _: b"source")


def read_marshal(content):
    with suppress(plain_marshal.PlainMarshalError):
        plain_marshal.loads(content)


def read_elf(content):
    for read in (elf.needs_of, elf.debug_bytes_of):
        with suppress(elf.ElfError):
            read(io.BytesIO(content), "damaged", Steps(100_000))


READERS = {
    "bytecode": (read_bytecode, bytecode.unchecked(3495, b"source", b"code")),
    "modules": (read_modules, sound_archive()),
    "marshal": (read_marshal, marshal.dumps({"a": (1, "b", b"c", {"d": 1 << 40}, ("b", "b"))}, 4)),
    "elf": (read_elf, EXTENSIONS[0].read_bytes()[:4_096] if EXTENSIONS else bytes(64)),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("seed", [1, 2, pytest.param(range(3, 100), marks=pytest.mark.slow)])
def test_damaged_files_are_read_or_refused(name, seed):
    read, sound = READERS[name]
    for chance in map(random.Random, [seed] if isinstance(seed, int) else seed):
        for _ in range(150):
            content = damaged(sound, chance, chance.randrange(1, 6))
            with at_most(3_000_000):
                read(content)


def sound_package(tmp_path):
    files = {
        "lib/__init__.py": "import app\n",
        "a.pth": "lib\nimport lib\n",
        "bootstrap": "#!/bin/sh\n",
        "snapboot.modules": sound_archive(),
        "x/site-packages/b.py": "",
    }
    folder = filled(tmp_path / "sound", APP | files | distribution("lib", "1", "lib/__init__.py"))
    if EXTENSIONS:
        (folder / "fast.so").write_bytes(EXTENSIONS[0].read_bytes())
    return compile_all(folder)


@pytest.mark.parametrize("seed", [1, pytest.param(range(2, 30), marks=pytest.mark.slow)])
def test_a_damaged_zip_is_audited_or_refused(tmp_path, seed):
    sound = zipped(sound_package(tmp_path), tmp_path / "sound.zip").read_bytes()
    directory = sound.index(b"PK\x01\x02")
    for chance in map(random.Random, [seed] if isinstance(seed, int) else seed):
        for number in range(25):
            head, tail = sound[:directory], sound[directory:]
            if number % 2:
                tail = damaged(tail, chance, chance.randrange(1, 4))
            else:
                head = damaged(head, chance, chance.randrange(1, 4)).ljust(directory)[:directory]
            path = tmp_path / "damaged.zip"
            path.write_bytes(head + tail)
            with at_most(3_000_000), suppress(AuditError):
                audit(path)


@pytest.mark.parametrize("seed", [1, pytest.param(range(2, 30), marks=pytest.mark.slow)])
def test_a_folder_of_damaged_files_is_audited(tmp_path, seed):
    sound = sound_package(tmp_path)
    contents = {
        str(path.relative_to(sound)): path.read_bytes()
        for path in sorted(sound.rglob("*"))
        if path.is_file()
    }
    for chance in map(random.Random, [seed] if isinstance(seed, int) else seed):
        for _ in range(10):
            for name, content in contents.items():
                changed = damaged(content, chance, 2) if chance.randrange(2) else content
                (sound / name).write_bytes(changed)
                (sound / name).chmod(stat.S_IMODE(0o644))
            with at_most(3_000_000), suppress(AuditError):
                audit(sound)
