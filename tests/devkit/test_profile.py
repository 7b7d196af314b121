"""`snapboot profile` on real functions: planted costs are found where they are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

from snapboot_devkit.host.sandbox import process_scan
from snapboot_devkit.profile import page
from tests.devkit.packages import DEADLINE_S, filled, snapboot

BUSY = """
from time import perf_counter as clock
def busy(ms):
    until = clock() + ms / 1000
    while clock() < until:
        pass
"""
HANDLER = "def handler(event, context): return event\n"


def profiled(root, *options, handler="app.handler", runs=2):
    done = snapboot(
        *("profile", handler, "--task-root", root, "--json", "--runs", str(runs)),
        *("--warmup", "0", *options),
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout) | {"status": done.returncode}


def module(profile, name):
    (found,) = (one for one in profile["modules"] if one["name"] == name)
    return found


def part(profile, key):
    return next(one["ms"] for one in profile["functionInit"] if one["key"] == key)


@pytest.fixture
def planted(tmp_path):
    """Return a function with costs at known places."""
    return filled(
        tmp_path / "planted",
        {
            "timing.py": BUSY,
            "app.py": """
import timing
import computing
import helper
client = timing.busy(90)
"""
            + HANDLER,
            "helper.py": "import outer.inner\n",
            "computing/__init__.py": "import timing\ntiming.busy(60)\n",
            "computing-1.0.dist-info/RECORD": "computing/__init__.py,,\n",
            "outer/__init__.py": "import timing\ntiming.busy(30)\n",
            "outer/inner.py": "",
            "some_dist-2.0.dist-info/RECORD": "outer/__init__.py,,\nouter/inner.py,,\n",
        },
    )


def test_planted_costs_are_found_named_and_ranked(planted):
    profile = profiled(planted)
    assert profile["status"] == 0, profile["failure"]
    during = [one for one in profile["modules"] if one["when"] == "function"]
    ranked = sorted(during, key=lambda one: -one["selfMs"])
    assert [one["name"] for one in ranked[:3]] == ["app", "computing", "outer"]
    computing = module(profile, "computing")
    assert computing["distribution"] == "computing"
    assert module(profile, "outer")["distribution"] == "some-dist"
    assert module(profile, "app")["distribution"] == "your code"
    assert computing["importer"] == "app"
    assert computing["line"] == 3
    assert computing["bytes"] == len("import timing\ntiming.busy(60)\n")


# Its constructor runs while the linker loads it, as those of large libraries do.
SLOW_LIBRARY = """
#include <Python.h>
#include <time.h>
__attribute__((constructor)) static void load(void) {
    for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;) {}
}
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "slow_library"};
PyMODINIT_FUNC PyInit_slow_library(void) { return PyModule_Create(&module); }
"""


def test_the_loading_of_a_shared_library_is_found_and_sized(tmp_path):
    compiler, headers = shutil.which("cc"), sysconfig.get_path("include")
    if compiler is None or not Path(headers, "Python.h").exists():
        pytest.skip("needs a C compiler, and the headers of this interpreter")
    root = filled(tmp_path / "task", {"app.py": "import helper\n" + HANDLER})
    filled(root, {"helper.py": "import slow_library\n", "slow.c": SLOW_LIBRARY})
    target = root / f"slow_library{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [compiler, "-shared", "-fPIC", f"-I{headers}", "-o", target, root / "slow.c"]
    subprocess.run(command, check=True, timeout=DEADLINE_S)
    profile = profiled(root)
    found = module(profile, "slow_library")
    # 100 ms; shares are those of other runs, which a busy machine may have made longer.
    assert found["partsMs"]["library"] > max(50, found["selfMs"] / 2)
    assert found["importer"] == "helper"
    assert found["bytes"] == target.stat().st_size
    # There are no others to speak of; both are rounded.
    assert part(profile, "library") > 0.9 * found["partsMs"]["library"]


def test_a_package_is_beside_its_module_and_not_its_doing(planted):
    profile = profiled(planted)
    helper = profile["modules"].index(module(profile, "helper"))
    outer, inner = module(profile, "outer"), module(profile, "outer.inner")
    assert (outer["parent"], inner["parent"]) == (helper, helper)
    assert inner["cumulativeMs"] < outer["selfMs"]


def test_the_parts_are_all_of_function_init_and_the_phases_all_of_the_total(planted):
    profile = profiled(planted)
    phases = {one["key"]: one["ms"] for one in profile["phases"]}
    total = profile["contenders"][0]["readyMs"]["median"]
    assert sum(phases.values()) == pytest.approx(total, rel=0.001)
    parts = sum(one["ms"] for one in profile["functionInit"])
    assert parts == pytest.approx(phases["function_init"], rel=0.001)
    # Modules take what Function Init takes, less the work outside imports.
    modules = [one for one in profile["modules"] if one["when"] == "function"]
    outside = part(profile, "own") - module(profile, "app")["partsMs"]["execute"]
    imports = sum(one["selfMs"] for one in modules if not one["thread"])
    assert imports == pytest.approx(phases["function_init"] - outside, rel=0.3)
    # 90 of the user's own, 90 of libraries, whatever the speed of the machine.
    assert part(profile, "own") > part(profile, "library") + part(profile, "collect")
    assert min(part(profile, "own"), part(profile, "execute")) > part(profile, "unmarshal")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="takes sys.monitoring")
def test_the_statement_that_makes_a_client_is_named(planted):
    line = profiled(planted)["lines"][0]
    assert (line["file"], line["line"]) == ("app.py", 5)
    assert line["text"] == "client = timing.busy(90)"


def test_every_sample_is_kept_and_the_cost_of_looking_is_stated(planted):
    profile = profiled(planted, runs=7)
    samples = profile["contenders"][0]["samples"]
    assert len(samples["readyMs"]) == len(samples["cpuMs"]) == 7
    assert profile["instrumentation"]["runs"] == len(profile["instrumentation"]["samplesMs"])
    assert profile["contenders"][0]["readyMs"]["certain"]


# --- bytecode -------------------------------------------------------------------------------------


def test_bytecode_is_valid_stale_or_missing(tmp_path):
    names = ("fresh", "stale", "missing")
    root = filled(
        tmp_path / "task",
        {**{f"{name}.py": "x = 1\n" for name in names}, "app.py": "import fresh, stale, missing\n" + HANDLER},
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "compileall", "-q", root], check=True)
    os.utime(root / "stale.py", (1, 1))
    for path in (root / "__pycache__").glob("missing.*"):
        path.unlink()
    profile = profiled(root)
    assert {name: module(profile, name)["bytecode"] for name in names} == {
        "fresh": "valid",
        "stale": "stale",
        "missing": "missing",
    }


def test_a_module_without_bytecode_is_named_with_the_command_that_mends_it(tmp_path):
    source = "def f():\n" + "    x = [1, 2, 3]; y = {1: 2}; x.append(y)\n" * 3000
    root = filled(tmp_path / "task", {"app.py": "import large\n" + HANDLER, "large.py": source})
    first = profiled(root)["advice"][0]
    assert "large" in first["text"]
    assert f"snapboot audit {root} --fix" in first["command"]
    assert f"snapboot package {root} --handler app.handler" in first["command"]


# --- imports of every kind ------------------------------------------------------------------------


def test_failing_caught_namespace_threaded_and_late_imports_are_what_they_are(tmp_path):
    root = filled(
        tmp_path / "task",
        {
            "app.py": """
                import threading
                try:
                    import not_there
                except ImportError:
                    pass
                try:
                    import breaks
                except ZeroDivisionError:
                    pass
                import space.within
                import _decimal
                def work():
                    import by_thread
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
                def handler(event, context):
                    import late
            """,
            "breaks.py": "1 / 0\n",
            "space/within.py": "",
            "by_thread.py": "",
            "late.py": "",
        },
    )
    (root / "app.py").write_text(textwrap.dedent((root / "app.py").read_text()))
    profile = profiled(root, "--event", "{}")
    assert profile["status"] == 0, profile
    assert module(profile, "not_there")["failure"] == "ModuleNotFoundError"
    assert module(profile, "breaks")["failure"] == "ZeroDivisionError"
    assert module(profile, "space.within")["bytecode"] == "missing"
    assert module(profile, "space")["bytecode"] == "-"
    assert module(profile, "by_thread")["thread"]
    assert module(profile, "_decimal")["bytecode"] == "-"
    assert "late" not in [one["name"] for one in profile["modules"]]
    assert profile["contenders"][0]["firstInvocationMs"]


def test_what_a_pth_file_imports_belongs_to_runtime_init(tmp_path):
    root = filled(
        tmp_path / "task",
        {"app.py": HANDLER, "early.py": "", "hook.pth": "import early\n"},
    )
    assert module(profiled(root), "early")["when"] == "runtime"


# --- functions that do not come to their first next -----------------------------------------------


def refused(root, *options):
    profile = profiled(root, *options, runs=1)
    assert profile["status"] == 1
    return profile["failure"], profile


def test_an_init_that_exits_is_said_with_its_status_and_where_it_was(tmp_path):
    root = filled(
        tmp_path / "task",
        {"app.py": "import leaves\n", "leaves.py": "import os\nprint('bye')\nos._exit(3)\n"},
    )
    failure, _ = refused(root)
    assert "exit status 3" in failure["text"]
    assert failure["importing"][-2:] == ["app", "leaves"]
    assert "bye" in failure["printed"]


def test_an_init_that_never_ends_is_stopped_with_the_import_that_it_was_in(tmp_path):
    root = filled(
        tmp_path / "task",
        {"app.py": "import waits\n", "waits.py": "import threading\nthreading.Event().wait()\n"},
    )
    failure, profile = refused(root, "--init-limit", "1")
    assert "has not ended within 1 s" in failure["text"]
    assert failure["importing"][-2:] == ["app", "waits"]
    assert module(profile, "threading")


def test_an_init_error_is_reported_in_its_own_words(tmp_path):
    failure, _ = refused(filled(tmp_path / "task", {"app.py": "raise ValueError('no table')\n"}))
    assert "ValueError: no table" in failure["text"]


def test_an_init_that_is_killed_names_the_signal(tmp_path):
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    failure, _ = refused(filled(tmp_path / "task", {"app.py": source}))
    assert "SIGKILL" in failure["text"]


def test_an_init_that_prints_megabytes_is_measured_all_the_same(tmp_path):
    source = "print('x' * 8_000_000)\n" + HANDLER
    assert profiled(filled(tmp_path / "task", {"app.py": source}))["status"] == 0


def test_one_that_prints_without_end_is_stopped(tmp_path):
    source = "while True: print('x' * 1_000_000)\n"
    failure, _ = refused(filled(tmp_path / "task", {"app.py": source}))
    assert "more than 64 MiB" in failure["text"]
    assert len(failure["printed"]) <= 4000


def test_what_an_init_forks_or_starts_ends_with_its_run(tmp_path):
    root = filled(
        tmp_path / "task",
        {
            "app.py": f"""
import os, subprocess, sys
if not os.fork():
    import json
    os.setsid()
    import time
    time.sleep(600)
daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open({str(tmp_path / "pids")!r}, "a") as file:
    print(daemon.pid, file=file)
"""
            + HANDLER,
        },
    )
    profile = profiled(root)
    assert profile["status"] == 0
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 + profile["instrumentation"]["runs"]
    assert [pid for pid in pids if process_scan.standing(pid) != (0, 0)] == []


SELF_CHANGING = {
    "import": """
import builtins
original = builtins.__import__
builtins.__import__ = lambda *names, **options: original(*names, **options)
""",
    "finder": """
import sys
class Finder:
    def find_spec(self, *_): return None
sys.meta_path.insert(0, Finder())
""",
    "profiler": "import sys\nsys.setprofile(lambda *_: None)\n",
    "collector": "import gc\ngc.callbacks.clear()\ngc.collect()\n",
    "threads": """
import threading
for _ in range(20): threading.Thread(target=lambda: None).start()
""",
    "importlib": "import importlib\nimportlib.import_module('colorsys')\n",
    "reload": "import importlib, json\nimportlib.reload(json)\n",
}


@pytest.mark.parametrize("way", SELF_CHANGING)
def test_functions_that_change_the_import_system_are_seen_through(tmp_path, way):
    source = f"{SELF_CHANGING[way]}\nimport colorsys\n{HANDLER}"
    profile = profiled(filled(tmp_path / "task", {"app.py": source}))
    assert profile["status"] == 0, profile["failure"]
    assert module(profile, "colorsys")["when"] == "function"


def test_one_that_closes_every_descriptor_leaves_what_was_known_by_then(tmp_path):
    source = "import colorsys, os\nos.closerange(3, 256)\nimport json\n" + HANDLER
    profile = profiled(filled(tmp_path / "task", {"app.py": source}))
    assert profile["status"] in {0, 1}
    assert profile["contenders"][0]["readyMs"] or profile["failure"]["text"]


def test_a_function_is_not_disturbed_by_what_looks_into_it(tmp_path):
    source = """
import sys, traceback
try:
    import breaks
except ValueError as exc:
    names = [frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(exc.__traceback__)]
    assert names == ["app.py", "breaks.py"], names
main = sys.modules["__main__"]
assert main.__file__.endswith("bootstrap"), main.__file__
assert not [name for name in vars(main) if "probe" in name], vars(main)
assert sys.argv == [main.__file__], sys.argv
assert not [name for name in sys.modules if "probe" in name]
assert len(sys._current_frames()) == 1
"""
    root = filled(tmp_path / "task", {"app.py": source + HANDLER, "breaks.py": "raise ValueError"})
    profile = profiled(root)
    assert profile["notes"] == []
    assert profile["instrumentation"]["runs"] == 2


# --- contenders -----------------------------------------------------------------------------------


def test_another_runtime_is_measured_in_turn_and_compared(tmp_path):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    other = f"{sys.executable} -m snapboot app.handler"
    profile = profiled(root, "--against", other, runs=6)
    assert [one["name"] for one in profile["contenders"]] == ["snapboot", other]
    assert profile["contenders"][1]["ratio"]["verdict"] in {"faster", "slower", "cannot tell"}


def test_a_contender_that_fails_leaves_the_function_its_figures(tmp_path):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    profile = profiled(root, "--against", "true", runs=2)
    assert profile["status"] == 1
    assert profile["failure"]["contender"] == "true"
    assert profile["contenders"][0]["readyMs"]
    assert profile["contenders"][1]["readyMs"] is None


def test_a_bootstrap_that_is_not_python_has_totals_alone(tmp_path):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    script = root / "run.sh"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m snapboot app.handler\n')
    script.chmod(0o755)
    profile = profiled(root, "--bootstrap", str(script))
    assert profile["contenders"][0]["readyMs"]
    assert "which is not Python" in profile["notes"][0]


# --- what is typed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nothing.handler"], "there is no module 'nothing'"),
        (["app.handler", "--region", "mars-1"], "give it by --price"),
        (["app.handler", "--price", "3"], "not a price"),
        (["app.handler", "--memory", "12,x"], "not a list of sizes"),
        (["app.handler", "--memory", "64"], "--memory '64'"),
        (["app.handler", "--what-if", "eager:json"], "lazy:NAME"),
        (["app.handler", "--event", "{"], "JSON"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, options, said):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    done = snapboot("profile", *options, "--task-root", root)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="imports can wait there")
def test_a_lazy_import_is_not_measured_where_there_is_none(tmp_path):
    root = filled(tmp_path / "task", {"app.py": HANDLER})
    done = snapboot("profile", "app.handler", "--task-root", root, "--what-if", "lazy:json")
    assert done.returncode == 2
    assert "takes CPython 3.15" in done.stderr


def test_ctrl_c_ends_it_with_nothing_left(tmp_path):
    root = filled(tmp_path / "task", {"app.py": f"open({str(tmp_path / 'on')!r}, 'w').close()\nwhile True: pass\n"})  # fmt: skip
    command = [sys.executable, "-m", "snapboot_devkit", "profile", "app.handler", "--task-root", str(root)]  # fmt: skip
    os.mkfifo(tmp_path / "on")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        Path(tmp_path / "on").open().close()  # the init runs
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130


def test_the_page_shows_the_same_as_the_document(planted):
    profile = profiled(planted)
    text = page.rendered(profile, 100)
    for shown in ("Function Init", "computing", "some-dist", "work outside imports", "$"):
        assert shown in text
    # A command stays one line, to be copied, and may name a long folder twice.
    assert all(len(line) <= 200 for line in text.splitlines() if "  try: " not in line)


def test_a_view_of_its_own_is_the_same_for_every_run(planted):
    profile = profiled(planted, "--isolate", runs=3)
    assert profile["status"] == 0, profile["failure"]
    assert profile["instrumentation"]["runs"] == 3
    assert module(profile, "computing")["distribution"] == "computing"
