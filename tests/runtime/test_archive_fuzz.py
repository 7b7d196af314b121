"""An archive that is damaged anywhere is refused in words, and never more than that."""

from __future__ import annotations

import random
from _imp import source_hash
from typing import TYPE_CHECKING

import pytest

from snapboot.archive import CHECK_KEY, HEAD_BYTES, ArchiveError, ModuleArchive
from tests.fakes.fuzzing import TIMES
from tests.fakes.sealed import ARCHIVE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.sealed import Scene

ROUNDS = 500 * TIMES
INTERESTING = (0, 1, 127, 128, 255)
USELESS = (ArchiveError, OSError, ValueError)


@pytest.fixture
def archive(scene: Scene) -> Path:
    """Return a sound archive of a function with a few modules."""
    scene.write("package/__init__.py", "value = 1")
    scene.write("package/member.py", "import re\npattern = re.compile('a+')")
    scene.look("import package.member\ndef look(): return 1")
    scene.seal()
    return scene.function.root / ARCHIVE


def spoilt(content: bytes, source: random.Random) -> bytes:
    """Return the archive with some bytes changed, left out, put in, or cut off."""
    damaged = bytearray(content)
    for _ in range(source.randint(1, 4)):
        # Half of the changes hit the head and what is just behind it: the numbers are there.
        end = len(damaged) if source.random() < 0.5 else min(len(damaged), 2 * HEAD_BYTES)
        place = source.randrange(end) if end else 0
        kind = source.randrange(5)
        if kind == 0 and damaged:
            damaged[place] ^= 1 << source.randrange(8)
        elif kind == 1 and damaged:
            damaged[place] = source.choice(INTERESTING)
        elif kind == 2:
            del damaged[place : place + source.randint(1, 40)]
        elif kind == 3:
            damaged[place:place] = source.randbytes(source.randint(1, 40))
        else:
            del damaged[place:]
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
def test_a_spoilt_archive_is_refused_or_as_good_as_sound(
    archive: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(seed)  # the same every time: a failure can be looked at
    content = archive.read_bytes()
    sound = ModuleArchive(str(archive.parent))
    names = sorted(sound.modules)
    codes = {name: sound.code(name, "f") for name in names}
    assert names
    for _ in range(ROUNDS):
        damaged = spoilt(content, source)
        archive.write_bytes(damaged)
        try:
            opened = ModuleArchive(str(archive.parent))
        except USELESS:
            continue
        for name in names:
            # None once the damage is found: the module then comes from its file.
            code = opened.code(name, "f")
            assert code is None or code == codes[name], damaged[:HEAD_BYTES]
    capsys.readouterr()


@pytest.mark.parametrize("size", [0, 1, 15, 16, HEAD_BYTES - 1, HEAD_BYTES])
def test_an_archive_cut_off_within_its_head_is_refused(archive: Path, size: int) -> None:
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(USELESS):
        ModuleArchive(str(archive.parent))


@pytest.mark.parametrize("place", range(16, 56, 8))
@pytest.mark.parametrize("number", [0, 1, 2**31, 2**63, 2**64 - 1])
def test_any_number_in_the_head_of_an_archive_is_a_refusal_or_sound(
    archive: Path, place: int, number: int
) -> None:
    content = bytearray(archive.read_bytes())
    content[place : place + 8] = number.to_bytes(8, "little")
    archive.write_bytes(content)
    with pytest.raises(USELESS):
        ModuleArchive(str(archive.parent))


def test_the_check_is_the_one_that_the_packager_writes(archive: Path) -> None:
    content = archive.read_bytes()
    start, length = (int.from_bytes(content[at : at + 8], "little") for at in (32, 40))
    assert source_hash(CHECK_KEY, content[start : start + length]) == content[48:56]
