"""What `SNAPBOOT_INIT_REPORT=1` costs an init, by count: a clock on a busy machine shows little."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.fakes.contenders import ROOT

# As `main` does it, with all loaded that an init has loaded by then.
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import snapboot.main
from snapboot import environment
before = set(sys.modules)
counts = {"bytecodes": 0, "calls": 0}
def step(*_):
    counts["bytecodes"] += 1
def call(*_):
    counts["calls"] += 1
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    {"opcode": step, "call": call}.get(event, str)()
    return trace
def watch():
    if sys.version_info < (3, 12):
        sys.settrace(trace)
        return lambda: sys.settrace(None)
    tool, events = sys.monitoring.DEBUGGER_ID, sys.monitoring.events
    sys.monitoring.use_tool_id(tool, "count")
    sys.monitoring.register_callback(tool, events.INSTRUCTION, step)
    sys.monitoring.register_callback(tool, events.PY_START, call)
    sys.monitoring.set_events(tool, events.INSTRUCTION | events.PY_START)
    return lambda: sys.monitoring.set_events(tool, 0)
def report():
    from snapboot.init_report import write_init_report
    loaded = set(sys.modules)
    end = watch()
    write_init_report(1, 1)
    end()
    return loaded
loaded = report()
print(*counts.values(), *sorted(loaded - before), *sorted(set(sys.modules) - loaded - {"snapboot.init_report"}))
"""
# CPython executes ten to thirty million of them in a second: 600 are 0.02 to 0.06 ms.
MOST_BYTECODES = 600
MOST_CALLS = 20


def test_a_report_takes_few_steps_and_loads_itself_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, str(ROOT / "runtime")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    report, counted = done.stdout.splitlines()
    assert json.loads(report)["snapbootInit"]["python"] == sys.version.partition(" ")[0]
    bytecodes, calls, *loaded = counted.split()
    assert 0 < int(bytecodes) < MOST_BYTECODES
    assert 0 < int(calls) < MOST_CALLS
    assert loaded == ["snapboot.init_report"]
