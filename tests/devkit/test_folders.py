"""Temporary folders of the host: where TMPDIR says, else where there is room, and gone again."""

import stat
import tempfile

import pytest

from snapboot_devkit.host import folders


@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
def test_a_folder_is_this_users_alone_where_the_variables_say(tmp_path, monkeypatch, name):
    for other in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    found = folders.temporary("snapboot-")
    assert found.parent == tmp_path
    assert found.name.startswith("snapboot-")
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert folders.temporary("snapboot-") != found


def test_a_relative_place_gives_an_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "scratch")
    assert folders.temporary("snapboot-").parent == tmp_path / "scratch"


def test_a_place_that_is_missing_is_replaced_as_tempfile_does_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert folders.temporary("snapboot-").parent == tmp_path


def test_a_folder_that_is_named_is_the_one_that_is_used(tmp_path):
    assert folders.temporary("snapboot-", tmp_path).parent == tmp_path
    with pytest.raises(FileNotFoundError):
        folders.temporary("snapboot-", tmp_path / "missing")


def test_what_is_removed_is_gone_with_all_that_is_in_it_and_twice_does_no_harm(tmp_path):
    empty, full = (folders.temporary("snapboot-", tmp_path) for _ in range(2))
    (full / "deep").mkdir()
    (full / "deep" / "file").write_text("x")
    for folder in (empty, full, empty, full):
        folders.remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    folders.remove(tmp_path / "link")
    assert (tmp_path / "kept" / "file").read_text() == "x"
