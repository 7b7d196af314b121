"""What a .pyc says of itself, as Python writes it."""

import importlib.util
import marshal
import py_compile
import sys

import pytest

from snapboot_devkit.package.binary.bytecode import MAGICS, BytecodeError, Mode, header, unchecked

MAGIC = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
SOURCE = b"answer = 42\n"
MODES = {
    Mode.TIMESTAMP: py_compile.PycInvalidationMode.TIMESTAMP,
    Mode.CHECKED_HASH: py_compile.PycInvalidationMode.CHECKED_HASH,
    Mode.UNCHECKED_HASH: py_compile.PycInvalidationMode.UNCHECKED_HASH,
}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "module.py"
    path.write_bytes(SOURCE)
    return path


@pytest.fixture
def compiled(source):
    def compile_(mode):
        target = source.with_suffix(".pyc")
        py_compile.compile(
            str(source), str(target), "module.py", doraise=True, invalidation_mode=MODES[mode]
        )
        return target.read_bytes()

    return compile_


@pytest.mark.parametrize("mode", Mode)
def test_the_mode_is_the_one_it_was_compiled_in(compiled, mode):
    found = header(compiled(mode))
    assert (found.magic, found.mode) == (MAGIC, mode)


@pytest.mark.parametrize("mode", Mode)
def test_it_knows_its_source_and_no_other(compiled, mode):
    found = header(compiled(mode))
    assert found.is_of(SOURCE)
    assert not found.is_of(SOURCE + b"\n")


def test_a_time_is_the_sources(compiled, source):
    found = header(compiled(Mode.TIMESTAMP))
    assert (found.mtime, found.size) == (int(source.stat().st_mtime), len(SOURCE))


def test_what_is_written_unchecked_is_what_python_writes(compiled):
    code = compile(SOURCE, "module.py", "exec", dont_inherit=True)
    assert unchecked(MAGIC, SOURCE, marshal.dumps(code)) == compiled(Mode.UNCHECKED_HASH)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin"),
        (b"\xf3\x0d\r\n" + bytes(11), "does not begin"),
        (b"no bytecode at all", "does not begin"),
        (b"\xf3\x0d\r\n\x02" + bytes(11), "flags 0x2"),
        (b"\xf3\x0d\r\n\x05" + bytes(11), "flags 0x5"),
    ],
)
def test_anything_else_is_no_bytecode(content, reason):
    with pytest.raises(BytecodeError, match=reason):
        header(content)


@pytest.mark.skipif(sys.version_info.releaselevel != "final", reason="a number may still change")
def test_the_number_of_a_release_is_the_one_it_writes():
    assert MAGICS[sys.version_info[:2]] == MAGIC
