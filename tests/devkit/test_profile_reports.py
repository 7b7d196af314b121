"""The reports of a profile, and its verdicts for CI: pure functions of one document."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from snapboot_devkit.profile import gate, html, page, speedscope
from snapboot_devkit.profile.advice import needed_at_import
from snapboot_devkit.profile.analysis import Terms
from snapboot_devkit.profile.errors import ProfileError
from snapboot_devkit.profile.instrumenting import PythonCommand, understood
from snapboot_devkit.profile.prices import AS_OF, PER_GB_SECOND, cost, too_old
from snapboot_devkit.profile.trace import parse
from tests.devkit.packages import filled, snapboot

HOSTILE = "</script><script>alert(1)</script>\"'&<b>"


def estimate(median, low=None, high=None, *, certain=True):
    return {"median": median, "low": low or median, "high": high or median, "certain": certain}


def module(name, parent=None, own=1.0, cumulative=1.0, **fields):
    parts = dict.fromkeys(("execute", "unmarshal", "compile", "library", "collect"), 0.0)
    return {
        "name": name, "parent": parent, "when": "function", "thread": False,
        "partsMs": {**parts, "find": own}, "selfMs": own, "cumulativeMs": cumulative,
        "importer": "app", "line": 3, "file": f"/var/task/{name}.py", "bytes": 10,
        "bytecode": "valid", "failure": "", "distribution": "your code", **fields,
    }  # fmt: skip


def profile(samples=(100.0,) * 10, **fields):
    middle = sorted(samples)[len(samples) // 2]
    return {
        "handler": "app.handler", "python": "3.13.0", "machine": "Linux", "started": "now",
        "contenders": [{
            "name": "snapboot", "memoryMB": 128, "cpus": None, "functionError": None,
            "readyMs": estimate(middle, min(samples), max(samples)),
            "samples": {"readyMs": list(samples)},
        }],
        "instrumentation": {"runs": 5, "ms": 2.0, "share": 0.02, "samplesMs": []},
        "phases": [
            {"key": "interpreter", "name": "interpreter start", "ms": 10.0},
            {"key": "runtime_init", "name": "Runtime Init", "ms": 5.0},
            {"key": "function_init", "name": "Function Init", "ms": 85.0},
        ],
        "functionInit": [{"key": "find", "name": "finding", "ms": 85.0}],
        "modules": [module("app", own=25, cumulative=85), module("lib", 0, 40, 60), module("lib.a", 1, 20, 20)],
        "distributions": [{"name": "lib", "selfMs": 60.0, "modules": 2, "bytes": 20}],
        "lines": [], "advice": [], "cost": [], "failure": None, "warnings": [], "notes": [],
        **fields,
    }  # fmt: skip


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit"), [("150ms", 150), ("1.5s", 1500), ("2 s", 2000), ("75", 75)]
)
def test_a_limit_is_read_as_it_is_written(text, limit):
    assert gate.limit_ms(text) == limit


@pytest.mark.parametrize("text", ["", "fast", "-3ms", "0ms", "1m", "1e3ms"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="such as 150ms"):
        gate.limit_ms(text)


def test_a_limit_is_exceeded_only_beyond_the_noise():
    noisy = profile((90.0, 95.0, 100.0, 110.0, 120.0, 130.0, 140.0))
    assert gate.against_limit(noisy, 150).status == 0
    assert gate.against_limit(noisy, 105).status == gate.CANNOT_TELL
    assert gate.against_limit(noisy, 80).status == gate.TOO_SLOW


BASE = [100 + number % 5 for number in range(30)]


@pytest.mark.parametrize(
    ("factor", "status", "word"),
    [(1.0, 0, "cannot tell"), (1.05, gate.SLOWER, "slower"), (0.9, 0, "faster")],
)
def test_a_baseline_distinguishes_five_percent_from_nothing(factor, status, word):
    found = gate.against_baseline(profile([one * factor for one in BASE]), BASE)
    assert (found.status, found.text.partition(":")[0]) == (status, word)


def test_a_baseline_that_noise_hides_cannot_tell():
    wild = [80.0, 150.0, 90.0, 170.0, 85.0, 160.0, 100.0, 140.0]
    assert gate.against_baseline(profile(wild), BASE).status == gate.CANNOT_TELL


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"contenders": [{"samples": {"readyMs": []}}]}'])
def test_a_baseline_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "base.json").write_text(text)
    with pytest.raises(ProfileError, match="the baseline"):
        gate.read_baseline(tmp_path / "base.json")


def test_the_command_judges_and_writes_the_files(tmp_path):
    root = filled(tmp_path / "task", {"app.py": "def handler(event, context): return 1\n"})
    function = ("profile", "app.handler", "--task-root", root, "--runs", "6")
    first = snapboot(*function, "--json")
    (tmp_path / "base.json").write_text(first.stdout)
    done = snapboot(
        *(*function, "--baseline", tmp_path / "base.json", "--fail-above", "0.1ms"),
        *("--html", tmp_path / "page.html", "--export-speedscope", tmp_path / "scope.json"),
        env={**os.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")},
    )
    assert done.returncode in {gate.SLOWER, gate.TOO_SLOW}
    assert "too slow" in done.stdout
    assert "| snapboot |" in (tmp_path / "summary.md").read_text()
    assert "app" in (tmp_path / "page.html").read_text()
    assert json.loads((tmp_path / "scope.json").read_text())["profiles"]
    kept = snapboot(*function, "--html", tmp_path / "none/page.html")
    assert kept.returncode == 2
    assert "Function Init" in kept.stdout, "what was measured is lost with a file"


def test_the_summary_is_markdown_whatever_a_function_is_called():
    text = gate.summary(profile(handler="a|b*c.handler", warnings=["x\ny"]), [])
    assert "a\\|b\\*c.handler" in text
    assert "> x y" in text


# --- pages ----------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Reads a page, and notes what it would load, and its text."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.tags, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in {"src", "href", "srcset"}]

    def handle_data(self, data):
        self.text += data


def test_the_page_loads_nothing_and_holds_every_module():
    text = html.page(profile())
    found = Reader(text)
    assert found.loads == []
    assert "url(" not in text
    assert "@import" not in text
    assert {"lib", "lib.a", "app"} <= set(re.findall(r"<th style='--depth:\d+'>([\w.]+)", text))


def test_the_page_escapes_whatever_is_shown():
    hostile = profile(
        handler=HOSTILE,
        modules=[module(HOSTILE, distribution=HOSTILE, importer=HOSTILE, failure=HOSTILE)],
        notes=[HOSTILE],
        failure={"contender": HOSTILE, "text": HOSTILE, "printed": HOSTILE, "importing": [HOSTILE]},
    )
    found = Reader(html.page(hostile))
    assert found.tags.count("script") == 1
    assert "b" not in found.tags
    assert HOSTILE in found.text


def test_boxes_of_the_flame_view_are_within_what_imports_them():
    text = html.page(profile())
    boxes = {
        name: (float(left), float(width), int(top))
        for name, left, width, top in re.findall(
            r"data-name='([\w.]+)'.*?left:([\d.]+)%;width:([\d.]+)%;top:(\d+)px", text
        )
    }
    assert boxes["app"] == (0, 100, 0)
    for inner, outer in (("lib", "app"), ("lib.a", "lib")):
        assert boxes[inner][0] >= boxes[outer][0]
        assert sum(boxes[inner][:2]) <= sum(boxes[outer][:2]) + 0.01
        assert boxes[inner][2] > boxes[outer][2]


def test_the_script_of_the_page_is_javascript(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    script = html.page(profile()).rpartition("<script>")[2].partition("</script>")[0]
    (tmp_path / "page.js").write_text(script)
    subprocess.run([node, "--check", tmp_path / "page.js"], check=True, timeout=60)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_the_terminal_page_keeps_to_its_width_where_it_shows_names(width):
    long = profile(modules=[module("a" * 300), module("b", 0)])
    text = page.rendered(long, width)
    assert "█" in text
    assert "a" * 250 not in text


def test_sentences_of_the_terminal_page_are_wrapped_and_commands_are_not():
    words = "a module of many words " * 12
    command = "snapboot package src --handler app.handler --as zip --output dist " * 3
    one = {"savesMs": 9.0, "text": words, "command": command, "warning": words}
    text = page.rendered(profile(advice=[one], warnings=[words], notes=[words]), 80)
    assert command in text
    assert [len(line) for line in text.splitlines() if len(line) > 80 and command not in line] == []
    assert " ".join(text.split()).count(words.strip()) == 4


@pytest.mark.parametrize(
    ("share", "bar"), [(0, ""), (0.5, "██"), (1, "████"), (7, "████"), (-1, "")]
)
def test_a_bar_is_as_long_as_its_share(share, bar):
    assert page.bar(share, 4) == bar.ljust(4)


def test_frames_for_speedscope_open_and_close_in_order():
    document = speedscope.document(profile())
    (one,) = document["profiles"]
    stack, before = [], 0.0
    for event in one["events"]:
        assert event["at"] >= before
        before = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
        else:
            assert stack.pop() == event["frame"]
    assert stack == []
    assert one["endValue"] == before == 100


# --- cost -----------------------------------------------------------------------------------------


def test_the_cost_is_init_times_memory_times_cold_starts():
    found = cost("snapboot", 1024, 999.2, Terms("us-east-1", 1_000_000))
    assert found["initUSD"] == pytest.approx(16.6667, abs=0.001)  # 10^6 GB-seconds
    assert cost("snapboot", 1024, 1000, Terms("x", 1000, price=0.001))["initUSD"] == 1


def test_arm_costs_a_fifth_less_in_every_region_and_says_whose_price_it_is():
    for region, (x86, arm) in PER_GB_SECOND.items():
        assert arm == pytest.approx(0.8 * x86, rel=0.002), region
    found = cost("snapboot", 1024, 1000, Terms("us-east-1", 1000, arm=True))
    assert found["perGBSecond"] == PER_GB_SECOND["us-east-1"][1]
    assert found["asOf"] == AS_OF.isoformat()


def test_snapstart_has_its_region_s_price():
    here, there = (
        cost("snapboot", 1024, 1000, Terms(region, 1000))
        for region in ("us-east-1", "ap-northeast-2")
    )
    assert here["snapStartRestoreUSD"] == pytest.approx(0.1398, abs=1e-4)
    assert there["snapStartRestoreUSD"] == pytest.approx(0.1675, abs=1e-4)
    assert there["initUSD"] == here["initUSD"]


def test_prices_older_than_a_year_are_warned_of_with_what_to_do():
    assert too_old(AS_OF + timedelta(days=365)) is None
    assert "give it by --price" in too_old(AS_OF + timedelta(days=366))


# --- advice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("import pandas\ndef f(): return pandas.DataFrame()", False),
        ("import pandas as pd\nX = pd.DataFrame()", True),
        ("from lib import Base\nclass A(Base): pass", True),
        ("from lib import wrap\n@wrap\ndef f(): pass", True),
        ("from lib import T\ndef f(x: T = T()): pass", True),
        ("from lib import T\nf = lambda x: T", False),
        ("from lib import *", True),
        ("try: import lib\nexcept ImportError: lib = None", True),
        ("import a.b\ndef f(): a.b.c()", False),
        ("def f(:", True),
        ("", True),
    ],
)
def test_what_a_module_uses_while_it_is_imported_is_not_advised_to_be_lazy(source, needed):
    assert needed_at_import(source, 1) is needed


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 -B -SsP /x/bootstrap a", (("python3", "-B", "-SsP"), "script", "/x/bootstrap", ("a",))),
        ("python -m awslambdaric app.h", (("python",), "module", "awslambdaric", ("app.h",))),
        ("python3.13 -W error -X dev -Pm pkg x", (("python3.13", "-W", "error", "-X", "dev", "-P"), "module", "pkg", ("x",))),
        ("python -mpkg", (("python",), "module", "pkg", ())),
        ("python -Werror -c pass", (("python", "-Werror"), "code", "pass", ())),
        ("python --check-hash-based-pycs never s.py", (("python", "--check-hash-based-pycs", "never"), "script", "s.py", ())),
    ],
)  # fmt: skip
def test_a_command_of_pythons_is_understood(command, expected):
    assert understood(command.split()) == PythonCommand(*expected)


@pytest.mark.parametrize("command", ["python", "python -", "python -m", "true", "/no/such"])
def test_any_other_command_has_a_reason(command):
    assert isinstance(understood(command.split()), str)


# --- records --------------------------------------------------------------------------------------


def test_a_damaged_record_is_read_as_far_as_it_goes():
    lines = [
        "('start', 5, 7, (3, 13, 0), 'cpython-313')",
        "('begin', 'app', 10)",
        "('handler', 10)",
        "('begin', 'lib', 12)",
        "('module', 'lib', 12, 20, [1, 2, 3, 0, 0, 2], 'app', '', False, 'app', 1, '/lib.py', '', 'X')",
        "('module', 'cut",
        "__import__('os').system('false')",
        "('module', 1)",
        "[" * 5000,
        "('unknown',)",
    ]
    trace = parse(lines, 1, 100)
    assert [one.name for one in trace.modules()] == ["lib"]
    assert trace.open == ["app"]
    assert trace.damaged == 5
    assert trace.phases() == {"interpreter": 4, "runtime_init": 3, "function_init": 91}
