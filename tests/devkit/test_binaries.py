"""Whether compiled files fit Amazon Linux 2023 and the architecture, reported before they are shipped."""

import sysconfig
from pathlib import Path

import pytest

from snapboot_devkit.package.audit import audit
from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.checks import binaries
from snapboot_devkit.package.checks.contents import opened
from snapboot_devkit.package.checks.distributions import distributions
from snapboot_devkit.package.checks.finding import Severity
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import Place, layout
from snapboot_devkit.package.target import Architecture
from tests.devkit.audited import distribution, filled

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


def with_glibc(library, version):
    """Return a file's bytes with all its versions of glibc replaced by one of the same length."""
    content = library.read_bytes()
    needed = elf.needs(library).glibc
    old = f"GLIBC_{needed[0]}.{needed[1]}\0".encode()
    new = f"GLIBC_{version}".encode().ljust(len(old), b"\0")
    assert len(new) == len(old)
    return content.replace(old, new)


def examined(root, architecture, place=Place.PROVIDED, **settings):
    """Return the findings by severity."""
    package = opened(FolderStore(root))
    read = binaries.read(package, distributions(package, layout(package, image=False)))
    found = list(binaries.check(read, place, architecture, **settings))
    return {each: [str(one) for one in found if one.severity is each] for each in Severity}


def own_and_other(library):
    own = Architecture(elf.needs(library).machine)
    return own, OTHER[own]


NOTHING = {each: [] for each in Severity}


def test_of_what_fits_nothing_is_found(tmp_path, library):
    if elf.needs(library).glibc > (2, 34):
        pytest.skip("this interpreter is built on a newer system")
    (tmp_path / "module.so").write_bytes(library.read_bytes())
    own, _ = own_and_other(library)
    assert examined(tmp_path, own) == NOTHING


def test_a_module_for_another_architecture_is_an_error(tmp_path, library):
    (tmp_path / "fruit.abi3.so").write_bytes(library.read_bytes())
    own, other = own_and_other(library)
    [text] = examined(tmp_path, other)[Severity.ERROR]
    assert f"fruit.abi3.so: it is built for {own}, and the package is for {other}" in text
    assert "--arch" in text


def test_other_code_for_another_architecture_is_a_warning(tmp_path, library):
    (tmp_path / "attach_arm.so").write_bytes(library.read_bytes())
    found = examined(tmp_path, own_and_other(library)[1])
    assert found[Severity.ERROR] == []
    assert "attach_arm.so" in found[Severity.WARNING][0]


def test_helpers_for_several_architectures_in_a_wheel_for_every_system_are_a_note(
    tmp_path, library
):
    own, other = own_and_other(library)
    filled(tmp_path, {"pilot/__init__.py": ""} | distribution("pilot", "1", "pilot/linux/manager"))
    (tmp_path / "pilot/linux").mkdir()
    (tmp_path / "pilot/linux/manager").write_bytes(with_glibc(library, "2.39"))
    assert [*map(len, examined(tmp_path, other).values())] == [1, 0, 0]
    assert [*map(len, examined(tmp_path, own).values())] == [1, 0, 0]


def test_a_library_beside_one_of_its_name_for_the_target_is_a_note(tmp_path, library):
    own, other = own_and_other(library)
    content = bytearray(library.read_bytes())
    for folder, machine in (("one", own), ("two", other)):
        content[18:20] = {"x86_64": b"\x3e\0", "arm64": EM_AARCH64}[machine]
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "libfast.so").write_bytes(content)
    found = examined(tmp_path, own, newer_glibc=True)
    assert (len(found[Severity.NOTE]), found[Severity.ERROR]) == (1, [])
    assert "two/libfast.so" in found[Severity.NOTE][0]


def test_a_glibc_that_is_too_new_is_an_error_unless_it_is_allowed(tmp_path, library):
    own, _ = own_and_other(library)
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.39"))
    [text] = examined(tmp_path, own)[Severity.ERROR]
    assert "fruit.so: it is built for glibc 2.39, and Amazon Linux 2023 has only 2.34" in text
    allowed = examined(tmp_path, own, newer_glibc=True)
    assert allowed[Severity.ERROR] == []
    assert "built for glibc 2.39" in allowed[Severity.WARNING][0]
    assert examined(tmp_path, own, Place.IMAGE) == NOTHING


def test_the_very_glibc_that_lambda_has_is_taken(tmp_path, library):
    own, _ = own_and_other(library)
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.34"))
    assert elf.needs(tmp_path / "fruit.so").glibc == (2, 34)
    assert examined(tmp_path, own) == NOTHING
    (tmp_path / "fruit.so").write_bytes(with_glibc(library, "2.35"))
    assert len(examined(tmp_path, own)[Severity.ERROR]) == 1


def test_a_library_that_lambda_has_not_is_named_with_what_needs_it(tmp_path, library):
    own, _ = own_and_other(library)
    content = library.read_bytes().replace(b"libc.so.6\0", b"libq.so.6\0")
    (tmp_path / "fruit.so").write_bytes(content)
    [text] = examined(tmp_path, own, newer_glibc=True)[Severity.WARNING]
    assert "fruit.so: it is linked with libq.so.6, which is not in provided.al2023" in text
    assert examined(tmp_path, own, beside={"libq.so.6"}, newer_glibc=True) == NOTHING
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs/libq.so.6").write_bytes(library.read_bytes())
    assert examined(tmp_path, own, newer_glibc=True) == NOTHING


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "fruit.so").write_bytes(elf.MAGIC + b"\xff" * 100)
    [text] = examined(tmp_path, Architecture.X86_64)[Severity.ERROR]
    assert "fruit.so" in text


def test_audit_finds_what_packaging_does(tmp_path, library):
    own, _ = own_and_other(library)
    filled(tmp_path, {"app.py": "def handler(event, context): ...\n"})
    content = library.read_bytes().replace(b"libc.so.6\0", b"libq.so.6\0")
    (tmp_path / "fruit.so").write_bytes(content)
    (tmp_path / "fruit.so").chmod(0o644)
    warnings = examined(tmp_path, own)[Severity.WARNING]
    audited = audit(tmp_path, target="provided", architecture=own).findings
    assert warnings == [str(one) for one in audited if one.code == "missing-library"]
