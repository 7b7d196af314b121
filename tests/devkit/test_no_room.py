"""A machine without room: a host that cannot have a file says so, and leaves nothing."""

import tempfile
from pathlib import Path

import pytest

from snapboot_devkit.host import InvokeError
from tests.devkit.hosted import hosted

DESCRIPTORS = next(path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.is_dir())


def descriptors():
    return len(list(DESCRIPTORS.iterdir()))


def test_environments_that_cannot_be_opened_are_refused_leave_nothing_and_come_later(
    monkeypatch, tmp_path
):
    async def scenario(host):
        before = descriptors()
        with monkeypatch.context() as patch:
            patch.setenv("TMPDIR", str(tmp_path / "missing"))
            patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
            for _ in range(3):
                with pytest.raises(InvokeError, match="an environment could not be opened"):
                    await host.invoke()
        return before, descriptors(), (await host.invoke(1)).payload

    before, after, payload = hosted("echo", scenario)
    assert after == before
    assert payload == b"1"
