"""What an ELF file needs: read from real ones, and from what is left of them."""

import contextlib
import io
import os
import platform
import sys
import sysconfig
from functools import partial
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from snapboot_devkit.package.binary.elf import (
    PYTHON_VERSION,
    ElfError,
    Needs,
    constant_of,
    debug_bytes_of,
    needs,
    needs_of,
)

MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
EXTENSIONS = sorted(
    Path(sysconfig.get_config_var("DESTSHARED") or "/nowhere").glob("*.so"),
    key=lambda path: path.stat().st_size,
)

pytestmark = pytest.mark.skipif(
    not EXTENSIONS, reason="this Python has no extension modules in files of their own"
)


@pytest.fixture(scope="module")
def small() -> bytes:
    path = next(path for path in EXTENSIONS if needs(path).libraries and needs(path).glibc)
    return path.read_bytes()


def test_a_program_names_its_machine_its_libraries_and_its_dynamic_linker():
    found = needs(Path(sys.executable).resolve())
    assert found.machine == MACHINE
    assert any(name.startswith("libc.") for name in found.libraries)
    assert found.interpreter is not None
    assert found.interpreter.startswith("/")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system has no glibc")
def test_it_needs_no_newer_glibc_than_the_one_it_runs_with():
    here = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2]))
    versions = [needs(path).glibc for path in EXTENSIONS]
    assert any(version and version > (2, 1) for version in versions)
    assert all(version <= here for version in versions if version)


def test_a_library_that_is_named_with_its_folder_goes_by_its_name(small):
    other = small.replace(b"\0libc.so.6\0", b"\0../c.so.6\0")
    if other == small:
        pytest.skip("this system's C library has another name")
    assert needs_of(io.BytesIO(other), "other").libraries == tuple(
        name.replace("libc.so.6", "c.so.6") for name in needs_of(io.BytesIO(small), "").libraries
    )


def test_an_interpreter_has_its_release_in_a_constant():
    files = (Path(sys.executable).resolve(), *Path(sys.base_prefix).glob("lib/libpython3*.so.*"))
    constants = [
        constant_of(io.BytesIO(path.read_bytes()), path.name, PYTHON_VERSION) for path in files
    ]
    assert sys.hexversion in constants
    assert set(constants) <= {sys.hexversion, None}


def test_a_file_without_the_constant_does_not_tell_it(small):
    assert constant_of(io.BytesIO(small), "small", PYTHON_VERSION) is None


def test_what_is_linked_with_musl_says_so():
    assert Needs("x86_64", ("libc.musl-x86_64.so.1",), None).musl
    assert Needs("x86_64", (), None, "/lib/ld-musl-x86_64.so.1").musl
    assert not Needs("x86_64", ("libc.so.6",), (2, 34), "/lib64/ld-linux-x86-64.so.2").musl


def test_another_machine_is_reported_by_its_own_name(small):
    other = small[:18] + (243).to_bytes(2, "little") + small[20:]
    assert needs_of(io.BytesIO(other), "other").machine == "EM_RISCV"


def test_what_is_not_an_elf_file_is_refused_by_its_name(tmp_path):
    path = tmp_path / "module.so"
    path.write_bytes(b"\xcf\xfa\xed\xfe of macOS")
    with pytest.raises(ElfError, match=r"module\.so' as an ELF file: Magic number does not match"):
        needs(path)


def test_versions_without_end_are_read_up_to_a_limit(small):
    damaged = bytearray(small)
    elf = ELFFile(io.BytesIO(small))
    section = elf.get_section_by_name(".gnu.version_r")
    index = next(n for n, one in enumerate(elf.iter_sections()) if one.name == section.name)
    count = elf["e_shoff"] + index * elf["e_shentsize"] + 44  # sh_info
    damaged[count : count + 4] = b"\xff" * 4
    step = section["sh_offset"] + 12  # vn_next: the same entry again
    damaged[step : step + 4] = b"\0" * 4
    assert needs_of(io.BytesIO(damaged), "endless").machine == MACHINE


def test_a_name_of_many_megabytes_is_an_error(small):
    damaged = bytearray(small) + b"x" * 9_000_000
    elf = ELFFile(io.BytesIO(small))
    dynamic = next(one for one in elf.iter_segments() if one["p_type"] == "PT_DYNAMIC")
    tags = list(dynamic.iter_tags())
    needed = next(n for n, tag in enumerate(tags) if tag.entry.d_tag == "DT_NEEDED")
    strings = elf.get_section_by_name(".dynstr")["sh_offset"]
    at = dynamic["p_offset"] + needed * 16 + 8
    damaged[at : at + 8] = (len(small) - strings).to_bytes(8, "little")
    with pytest.raises(ElfError, match="its tables are longer"):
        needs_of(io.BytesIO(damaged), "long")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data):
    content = bytearray(EXTENSIONS[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 1_000))
        content[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    for read in (needs_of, debug_bytes_of, partial(constant_of, symbol=PYTHON_VERSION)):
        with contextlib.suppress(ElfError):
            assert isinstance(read(io.BytesIO(content[:end]), "damaged"), Needs | int | None)
