"""A folder as a zip: the same bytes for the same content, as Lambda unpacks it."""

import os
import stat
import zipfile

from snapboot_devkit.package.outputs import zipping
from tests.devkit.packages import filled

FILES = {"b.py": "b" * 5000, "a/__init__.py": "", "a.py": "a", "bootstrap": "#!/bin/sh\n"}


def packed(folder, target):
    zipping.write(folder, target)
    return target


def test_order_dates_umask_and_folder_make_no_difference(tmp_path):
    first = filled(tmp_path / "first", FILES)
    (first / "bootstrap").chmod(0o755)
    before = os.umask(0o077)
    try:
        second = filled(tmp_path / "second", dict(reversed(FILES.items())))
        (second / "bootstrap").chmod(0o700)
        one = packed(first, tmp_path / "one.zip")
        other = packed(second, tmp_path / "other.zip")
    finally:
        os.umask(before)
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
    again = packed(second, tmp_path / "again.zip")
    assert one.read_bytes() == other.read_bytes() == again.read_bytes()


def test_entries_stand_in_the_order_of_their_names(tmp_path):
    names = ("b.py", "a/z.py", "a/b/c.py", "a.py", "B.py", "a/a.py", "_.py")
    folder = filled(tmp_path / "folder", dict.fromkeys(names, ""))
    with zipfile.ZipFile(packed(folder, tmp_path / "a.zip")) as archive:
        assert archive.namelist() == [
            "B.py", "_.py", "a/", "a.py", "a/a.py", "a/b/", "a/b/c.py", "a/z.py", "b.py",
        ]  # fmt: skip


def test_other_content_is_another_zip(tmp_path):
    first = filled(tmp_path / "first", FILES)
    one = packed(first, tmp_path / "one.zip").read_bytes()
    (first / "a.py").write_text("A")
    assert packed(first, tmp_path / "two.zip").read_bytes() != one


def test_modes_are_what_lambdas_user_needs(tmp_path):
    folder = filled(tmp_path / "folder", FILES)
    (folder / "a").chmod(0o700)
    (folder / "a.py").chmod(0o600)
    (folder / "bootstrap").chmod(0o700)
    (folder / "link.py").symlink_to("a.py")
    with zipfile.ZipFile(packed(folder, tmp_path / "a.zip")) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        # Unix: of another system Lambda would not take the modes.
        assert {entry.create_system for entry in archive.infolist()} == {3}
        assert archive.read("link.py") == b"a.py"
    assert modes == {
        "a/": stat.S_IFDIR | 0o755,
        "a.py": stat.S_IFREG | 0o644,
        "a/__init__.py": stat.S_IFREG | 0o644,
        "b.py": stat.S_IFREG | 0o644,
        "bootstrap": stat.S_IFREG | 0o755,
        "link.py": stat.S_IFLNK | 0o777,
    }


def test_large_content_is_written_whole(tmp_path):
    content = os.urandom(3 * 1024 * 1024 + 7)
    folder = filled(tmp_path / "folder", {"model.bin": content})
    with zipfile.ZipFile(packed(folder, tmp_path / "a.zip")) as archive:
        assert archive.read("model.bin") == content


def test_a_file_that_comes_to_be_meanwhile_stands_in_its_place(tmp_path):
    folder = filled(tmp_path / "folder", FILES)
    found = zipping.entries(folder)

    def comes():
        (folder / "app.modules").write_text("m" * 3000)
        return zipping.entry_of(folder / "app.modules")

    late = {"app.modules": comes, "never": lambda: zipping.entry_of(folder / "never")}
    zipping.write_entries(found, tmp_path / "late.zip", late=late)
    assert (tmp_path / "late.zip").read_bytes() == packed(folder, tmp_path / "a.zip").read_bytes()


def test_an_older_file_of_that_name_is_not_packed_in_its_place(tmp_path):
    folder = filled(tmp_path / "folder", FILES | {"app.modules": "old"})
    late = {"app.modules": lambda: None}
    zipping.write_entries(zipping.entries(folder), tmp_path / "late.zip", late=late)
    with zipfile.ZipFile(tmp_path / "late.zip") as archive:
        assert "app.modules" not in archive.namelist()
