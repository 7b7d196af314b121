"""`snapboot profile` of functions in every form that they come in, and of sizes and unused modules."""

from __future__ import annotations

import compileall
import zipfile

import pytest

from snapboot_devkit.package.interpreters import managed
from tests.devkit.packages import filled, own_interpreter, snapboot
from tests.devkit.test_profile import BUSY, HANDLER, module, profiled

FILES = {
    "timing.py": BUSY,
    "app.py": "import shop.stock\n" + HANDLER,
    "shop/__init__.py": "import timing\ntiming.busy(40)\n",
    "shop/stock.py": "",
    "shop-1.0.dist-info/RECORD": "shop/__init__.py,,\nshop/stock.py,,\n",
}


def busiest(profile):
    """Return the module of the function that took longest."""
    during = [one for one in profile["modules"] if one["when"] == "function"]
    return max(during, key=lambda one: one["selfMs"])


def found(profile):
    """Return what is said of the planted module: the same for every form."""
    assert profile["status"] == 0, profile["failure"]
    shop = busiest(profile)
    return shop["name"], shop["distribution"], shop["importer"], shop["bytes"]


EXPECTED = ("shop", "shop", "app", len(FILES["shop/__init__.py"]))


def test_a_zip_is_profiled_as_its_folder_is(tmp_path):
    root = filled(tmp_path / "task", FILES)
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        for name in FILES:
            archive.write(root / name, name)
    assert found(profiled(root)) == EXPECTED
    assert found(profiled(tmp_path / "function.zip")) == EXPECTED


def test_a_zip_made_on_windows_is_profiled_too(tmp_path):
    shop = found(profiled(windows_zip(tmp_path, "/")))
    assert shop[:3] == EXPECTED[:3]
    assert shop[3] == len(FILES["shop/__init__.py"].replace("\n", "\r\n"))


def test_a_zip_with_backslashes_fails_as_in_lambda_and_the_reason_is_named(tmp_path):
    profile = profiled(windows_zip(tmp_path, "\\"))
    assert profile["status"] == 1
    assert "No module named 'shop'" in profile["failure"]["text"]
    (note,) = (one for one in profile["notes"] if "backslashes" in one)
    assert "3 files" in note
    assert "pack it again by `snapboot package`" in note


def windows_zip(tmp_path, separator):
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        for name, text in FILES.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 0  # as Windows says; such entries have no modes
            entry.external_attr = 0x20
            # As some programs for Windows write it; `ZipInfo` itself would not.
            entry.filename = name.replace("/", separator)
            archive.writestr(entry, text.replace("\n", "\r\n"))
    return tmp_path / "function.zip"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_a_layer_brings_is_found_in_it(tmp_path, form):
    root = filled(tmp_path / "task", {"app.py": FILES["app.py"]})
    names = [name for name in FILES if name != "app.py"]
    layer = filled(tmp_path / "layer", {f"python/{name}": FILES[name] for name in names})
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
            for name in names:
                archive.write(layer / "python" / name, f"python/{name}")
        layer = tmp_path / "layer.zip"
    assert found(profiled(root, "--layer", layer)) == EXPECTED


def test_the_folder_of_an_image_is_profiled_as_the_function_in_it(tmp_path):
    if managed.native() is None:
        pytest.skip("packages are made on Linux")
    source = filled(tmp_path / "source", FILES)
    done = snapboot(
        *("package", source, "--handler", "app.handler", "--as", "image", "--json"),
        *("--arch", managed.native(), "--output", tmp_path / "dist"),
        *("--python", own_interpreter().program),
    )
    assert done.returncode == 0, done.stderr
    image = tmp_path / "dist/image"
    assert found(profiled(image / "task")) == EXPECTED
    profile = profiled(image)
    assert found(profile) == EXPECTED
    assert any("is the folder of an image" in note for note in profile["notes"])


def test_a_function_beside_a_dockerfile_of_its_own_is_profiled_where_it_is(tmp_path):
    root = filled(tmp_path / "task", {**FILES, "Dockerfile": "FROM scratch\n"})
    profile = profiled(root)
    assert found(profile) == EXPECTED
    assert not any("image" in note for note in profile["notes"])


def test_a_module_in_a_module_archive_has_its_parts_too(tmp_path):
    if managed.native() is None:
        pytest.skip("packages are made on Linux")
    source = filled(tmp_path / "source", FILES)
    done = snapboot(
        *("package", source, "--handler", "app.handler", "--as", "zip", "--no-interpreter"),
        *("--arch", managed.native()),
        *("--output", tmp_path / "dist", "--python", own_interpreter().program, "--json"),
    )
    assert done.returncode == 0, done.stderr
    profile = profiled(tmp_path / "dist/function.zip")
    assert found(profile)[0] == "shop"
    shop = module(profile, "shop")
    assert shop["bytecode"] == "archive"
    assert shop["partsMs"]["compile"] == 0
    assert shop["partsMs"]["execute"] > shop["partsMs"]["find"]
    assert not [one for one in profile["advice"] if "have no bytecode" in one["text"]]


def test_several_sizes_are_measured_in_turn_and_the_quota_is_stated_or_said_to_be_missing(
    tmp_path,
):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    profile = profiled(root, "--memory", "128,1769", runs=2)
    assert profile["status"] == 0, profile["failure"]
    assert [one["name"] for one in profile["contenders"]] == ["snapboot at 128 MB", "snapboot at 1769 MB"]  # fmt: skip
    small, large = (one["samples"]["readyMs"] for one in profile["contenders"])
    (note,) = [one for one in profile["notes"] if "share" in one]
    if note.startswith("each size has its share"):
        # 7 % of a CPU: whatever the machine does, that takes longer.
        assert min(small) > min(large)
    else:
        assert note.startswith("no CPU quota can be set here")
        assert "128 MB: 0.07" in note
    assert [one["memoryMB"] for one in profile["cost"]] == [128, 1769]


UNUSED = {
    "app.py": "import heavy\nimport used\n\n\ndef handler(event, context):\n"
    "    return heavy.work() if event else used.work()\n",
    # What both used of each other would keep both.
    "heavy.py": BUSY + "busy(50)\n\n\ndef work():\n    return 1\n",
    "used.py": BUSY + "busy(20)\n\n\ndef work():\n    return 2\n",
    "heavy-1.0.dist-info/RECORD": "heavy.py,,\n",
    "used-1.0.dist-info/RECORD": "used.py,,\n",
}


def lazily(profile):
    return [one for one in profile["advice"] if "no event has used" in one["text"]]


def test_a_module_that_no_event_uses_is_advised_to_be_lazy_with_what_is_lost(tmp_path):
    root = filled(tmp_path / "task", UNUSED)
    compileall.compile_dir(root, quiet=1)
    profile = profiled(root, "--event", "0")
    (advice,) = lazily(profile)
    assert "no event has used heavy, which app.py imports in line 1" in advice["text"]
    assert advice["savesMs"] > 25
    assert "registrations, patches" in advice["warning"]
    assert advice["command"].endswith("--what-if lazy:heavy")


def test_a_module_that_another_event_uses_is_not(tmp_path):
    root = filled(tmp_path / "task", UNUSED)
    assert lazily(profiled(root, "--event", "0", "--event", "1")) == []


def test_without_an_event_no_import_is_advised_to_be_lazy(tmp_path):
    assert lazily(profiled(filled(tmp_path / "task", UNUSED))) == []


def test_an_event_that_fails_is_said_and_nothing_is_advised_by_it(tmp_path):
    root = filled(tmp_path / "task", UNUSED | {"app.py": "import heavy\n\n\ndef handler(event, context):\n    raise ValueError('no table')\n"})  # fmt: skip
    profile = profiled(root, "--event", "0")
    assert lazily(profile) == []
    assert any("no table" in note for note in profile["notes"]), profile["notes"]


def test_a_wrapper_that_the_environment_names_is_run_and_only_totals_are_reported(tmp_path):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\necho >>{tmp_path}/runs\nexec "$@"\n', "utf-8")
    wrapper.chmod(0o755)
    profile = profiled(root, "--env", f"AWS_LAMBDA_EXEC_WRAPPER={wrapper}", runs=2)
    assert profile["status"] == 0, profile["failure"]
    assert len((tmp_path / "runs").read_text("utf-8").splitlines()) >= 2
    assert profile["contenders"][0]["readyMs"]
    (note,) = [one for one in profile["notes"] if "no look into the init" in one]
    assert "starts the runtime in its own way" in note
    assert not profile["modules"]
