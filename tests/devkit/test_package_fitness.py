"""Whether compiled files fit Amazon Linux 2023 and the architecture, told before they are shipped."""

import sysconfig
from pathlib import Path

import pytest

from snapboot_devkit.package.checks import fitness
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.formats import elf
from snapboot_devkit.package.target import Architecture, Target

EM_AARCH64 = (183).to_bytes(2, "little")
OTHER = {Architecture.X86_64: Architecture.ARM64, Architecture.ARM64: Architecture.X86_64}


@pytest.fixture(scope="module")
def library():
    """An extension module of this interpreter that asks for some version of glibc."""
    folder = Path(sysconfig.get_path("stdlib"), "lib-dynload")
    for path in sorted(folder.glob("*.so")):
        needed = elf.needs(path)
        # Two digits, to have room for another version.
        versioned = needed.glibc and needed.glibc[1] >= 10
        if versioned and needed.libraries == ("libc.so.6",) and needed.machine in OTHER:
            return path
    pytest.skip("no extension module of this interpreter is linked with glibc alone")


def target(library, *, other=False):
    own = Architecture(elf.needs(library).machine)
    return Target((3, 13), OTHER[own] if other else own)


def with_glibc(library, version):
    """Return a file's bytes with all its versions of glibc replaced by one of the same length."""
    content = library.read_bytes()
    needed = elf.needs(library).glibc
    old = f"GLIBC_{needed[0]}.{needed[1]}\0".encode()
    new = f"GLIBC_{version}".encode().ljust(len(old), b"\0")
    assert len(new) == len(old)
    return content.replace(old, new)


def examined(root, wanted, **settings):
    return fitness.examine([root], wanted, **{"newer_glibc": False, **settings})


def test_what_fits_has_nothing_told_of_it(tmp_path, library):
    if elf.needs(library).glibc > (2, 34):
        pytest.skip("this interpreter is built on a newer system")
    (tmp_path / "module.so").write_bytes(library.read_bytes())
    found = examined(tmp_path, target(library))
    assert (found.problems, found.doubts) == ([], [])


def test_a_module_for_another_architecture_is_a_problem(tmp_path, library):
    (tmp_path / "fruit.abi3.so").write_bytes(library.read_bytes())
    found = examined(tmp_path, target(library, other=True))
    assert "fruit.abi3.so; replace them, or choose by --arch" in found.problems[0]
    with pytest.raises(PackageError, match="built for"):
        found.check()


def test_other_code_for_another_architecture_is_told_alone(tmp_path, library):
    (tmp_path / "attach_arm.so").write_bytes(library.read_bytes())
    found = examined(tmp_path, target(library, other=True))
    assert found.problems == []
    assert any("attach_arm.so" in text for text in found.doubts)


def test_a_glibc_that_is_too_new_is_a_problem_unless_it_is_allowed(tmp_path, library):
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.39"))
    found = examined(tmp_path, target(library))
    assert "which is too old (up to 2.39 is needed) for fruit.so" in found.problems[0]
    allowed = examined(tmp_path, target(library), newer_glibc=True)
    assert allowed.problems == []
    assert "up to 2.39 is needed" in allowed.doubts[0]


def test_the_very_glibc_that_lambda_has_is_taken(tmp_path, library):
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.34"))
    assert elf.needs(tmp_path / "fruit.so").glibc == (2, 34)
    assert examined(tmp_path, target(library)).problems == []
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.35"))
    assert len(examined(tmp_path, target(library)).problems) == 1


def test_a_library_that_lambda_has_not_is_named_with_who_needs_it(tmp_path, library):
    content = library.read_bytes().replace(b"libc.so.6\0", b"libq.so.6\0")
    (tmp_path / "fruit.so").write_bytes(content)
    found = examined(tmp_path, target(library), newer_glibc=True)
    assert "libq.so.6 is not in provided.al2023, but needed by fruit.so" in found.doubts
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs/libq.so.6").write_bytes(library.read_bytes())
    found = examined(tmp_path, target(library), newer_glibc=True)
    assert not any("libq" in text for text in found.doubts)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "fruit.so").write_bytes(elf.MAGIC + b"\xff" * 100)
    with pytest.raises(PackageError, match=r"fruit\.so"):
        examined(tmp_path, Target((3, 13), Architecture.X86_64))
