"""Extensions and a runtime as real processes: our host as the scene says, the emulator as declared."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import pytest

from tests.contract.difference import absent, unexplained
from tests.contract.emulator import Emulator
from tests.contract.host_differences import OF_SCENES
from tests.contract.platforms import Host
from tests.contract.scenes import SCENES
from tests.fakes.contenders import AWSLAMBDARIC, CONTENDERS, Contender

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.scene import Scene

pytestmark = pytest.mark.slow


def _plays() -> list[object]:
    """Return each scene with its own runtime, or with each of the real ones."""
    return [
        pytest.param(
            *(scene, contender),
            id=f"{contender.name}: {scene.name}" if contender else scene.name,
        )
        for scene in SCENES
        for contender in ((None,) if scene.runtime is not None else CONTENDERS)
    ]


@pytest.mark.parametrize(("scene", "contender"), _plays())
def test_our_host_plays_the_scene_as_expected(
    scene: Scene, contender: Contender | None, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if contender is AWSLAMBDARIC:
        request.getfixturevalue("incumbent")
    seen = scene.play(Host, contender, tmp_path)
    complaints = unexplained(scene.name, scene.expected, seen, (), ("expected", "host"))
    assert not complaints, "\n".join(["", *complaints])


# The emulator races with itself where a busy machine lets it: a difference is what it always shows.
EMULATOR_PLAYS = 3


@pytest.mark.usefixtures("oracles")
@pytest.mark.parametrize(("scene", "contender"), _plays())
def test_the_emulator_plays_the_scene_but_for_declared_differences(
    scene: Scene, contender: Contender | None, tmp_path: Path
) -> None:
    case = f"scene/{scene.name}"
    for play in range(EMULATOR_PLAYS):
        folder = tmp_path / str(play)
        folder.mkdir()
        seen = scene.play(Emulator, contender, folder)
        complaints = unexplained(case, scene.expected, seen, OF_SCENES, ("host", "emulator"))
        if not complaints:
            return
    pytest.fail("\n".join(["", *complaints]))


def test_every_declared_difference_is_one_of_what_a_scene_expects() -> None:
    assert absent({f"scene/{scene.name}": scene.expected for scene in SCENES}, OF_SCENES) == []


def test_every_declared_difference_names_scenes_that_are_played() -> None:
    cases = [f"scene/{scene.name}" for scene in SCENES]
    named = {pattern for difference in OF_SCENES for pattern in difference.cases}
    assert [pattern for pattern in named if not fnmatch.filter(cases, pattern)] == []
