"""`AWS_LAMBDA_EXEC_WRAPPER=…/exec`: the runtime in the place of AWS's client, on AWS's runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oracles import awslambdaric
from snapboot_devkit import aws_runtime
from tests.fakes.contenders import ROOT, Contender
from tests.fakes.frames import frames
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function, Run

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
EXEC = ROOT / "runtime/snapboot/exec"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
SITE_OF_LAYERS = f"/opt/python/lib/{PYTHON}/site-packages"
SECOND = "SNAPBOOT_EXEC_WRAPPER"
# Amazon Linux's sh.
BASH = ("bash", "--posix")
SHELLS = [
    (),
    pytest.param(BASH, marks=pytest.mark.skipif(not shutil.which("bash"), reason="no bash")),
]
# Which of the two clients serves, and with what.
SEEN = """
import os, sys

def handler(event, context):
    return {
        "client": type(context).__module__.partition(".")[0],
        "path": sys.path,
        "argv": sys.argv,
        "options": [sys.orig_argv[1:-1], sys.flags.utf8_mode],
        "variables": dict(os.environ),
    }
"""
# As the Developer Guide has it: options go before the last argument, which is the script.
DOCUMENTED = """\
#!/bin/bash
args=("$@")
export FROM_THE_WRAPPER="$_HANDLER"
args=("${args[@]:0:$#-1}" "-X" "utf8" "${args[@]: -1}")
exec "${args[@]}"
"""


@pytest.fixture(scope="module")
def python(bare_python) -> str:
    """Return an interpreter without packages, by the name that Lambda starts it by."""
    return str(Path(bare_python).with_name(PYTHON))


@pytest.fixture(scope="module")
def var_runtime(tmp_path_factory, python) -> Path:
    """Return a folder like /var/runtime: AWS's client, and what starts it with the interpreter."""
    folder = tmp_path_factory.mktemp("var") / "runtime"
    shutil.copytree(awslambdaric.folder(), folder)
    aws_runtime.write_scripts(folder, PYTHON, python)
    return folder


@pytest.fixture
def layer(tmp_path) -> Path:
    """Return what is like /opt of the wrapper layer: `snapboot`, and the runtime beside it."""
    folder = tmp_path / "opt"
    home = folder / "snapboot.d"
    without = shutil.ignore_patterns("__pycache__", "exec")
    shutil.copytree(ROOT / "runtime", home, ignore=without)
    shutil.copy2(EXEC, folder / "snapboot")
    return folder


def on(runtime: Path, **environment: str) -> Contender:
    """Return the managed runtime, with the function's variables."""
    return Contender(
        "managed",
        lambda _: [str(runtime / "bootstrap")],
        lambda: {"LAMBDA_RUNTIME_DIR": str(runtime), "AWS_EXECUTION_ENV": "", **environment},
    )


def started(function: Function, *command: str, **environment: str | None) -> Run:
    contender = Contender("by hand", lambda _: list(command), dict)
    return function.run(Event(), contender=contender, environment=environment)


def seen(run: Run) -> Any:
    """Return what the function saw under our client, which had nothing to complain of."""
    assert run.result["client"] == "snapboot", run
    assert (run.stdout, run.stderr) == ("", "")
    return run.result


def served_by_aws(run: Run) -> str:
    """Return the line that says why AWS's client has served the function, the only one."""
    assert run.result["client"] != "snapboot", run
    (line,) = run.stderr.splitlines()
    return line


# --- in the place of AWS's client ---------------------------------------------------------------


def test_the_variable_alone_decides_who_serves(function: Function, var_runtime, layer):
    function.code(SEEN)
    without = function.run(Event(), contender=on(var_runtime))
    assert without.result["client"] != "snapboot"
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    seen(function.run(Event(), contender=contender))


@pytest.mark.parametrize("named", [None, "/one:/two"], ids=["plain", "PYTHONPATH"])
def test_path_arguments_and_variables_are_those_of_the_managed_runtime(
    function: Function, var_runtime, layer, named
):
    function.code(SEEN)
    function.write("vendored/dependency.py", "")
    function.write("my.pth", "vendored\n")
    more = {} if named is None else {"PYTHONPATH": named}
    theirs = function.run(Event(), contender=on(var_runtime, **more)).result
    variables = {**more, WRAPPER: str(layer / "snapboot")}
    ours = seen(function.run(Event(), contender=on(var_runtime, **variables)))
    assert ours["path"][-1] == str(layer / "snapboot.d")
    # AWS's list names the interpreter's packages a second time, at its end.
    assert ours["path"][:-1] == list(dict.fromkeys(theirs["path"]))
    assert ours["argv"] == theirs["argv"]
    for each in (ours, theirs):
        for name in (WRAPPER, "AWS_LAMBDA_RUNTIME_API"):
            each["variables"].pop(name, None)
    assert ours["variables"] == theirs["variables"]


def test_execution_environment_stays_true(function: Function, var_runtime, layer):
    function.code(SEEN)
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    variables = seen(function.run(Event(), contender=contender))["variables"]
    assert variables["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{PYTHON}"


def test_a_child_process_sees_the_variable_that_named_the_wrapper(
    function: Function, var_runtime, layer
):
    function.code("""
        import subprocess

        def handler(event, context):
            return subprocess.run(["env"], capture_output=True, text=True).stdout.splitlines()
    """)
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    child = function.run(Event(), contender=contender).result
    assert f"{WRAPPER}={layer / 'snapboot'}" in child
    assert not [line for line in child if line.startswith("_SNAPBOOT")]


def test_hooks_are_kept_in_the_managed_runtimes_own_registry(
    function: Function, var_runtime, layer
):
    function.code("""
        import snapboot, snapshot_restore_py

        snapboot.before_snapshot(print)

        def handler(event, context):
            return [snapshot_restore_py.__file__, len(snapshot_restore_py.get_before_snapshot())]
    """)
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    run = function.run(Event(), contender=contender)
    assert run.result == [str(var_runtime / "snapshot_restore_py.py"), 1]


@pytest.mark.parametrize("wrapped", [False, True], ids=["AWS's client", "wrapper"])
def test_tools_that_patch_the_client_by_its_names_are_honoured_as_on_the_managed_runtime(
    function: Function, var_runtime, layer, wrapped
):
    function.code("""
        import __main__

        if hasattr(__main__, "awslambdaricmain"):
            bootstrap = __main__.awslambdaricmain.bootstrap
        else:
            bootstrap = __main__.bootstrap
        original = bootstrap.handle_event_request

        def handle_event_request(client, handler, *args):
            return original(client, lambda *both: ["patched", handler(*both)], *args)

        bootstrap.handle_event_request = handle_event_request

        def handler(event, context):
            from awslambdaric import bootstrap as imported
            return imported is bootstrap
    """)
    variables = {WRAPPER: str(layer / "snapboot")} if wrapped else {}
    run = function.run(Event(), contender=on(var_runtime, **variables))
    assert run.result == ["patched", True]


def test_variables_named_like_those_of_a_script_stay_as_they_are(
    function: Function, var_runtime, layer
):
    function.code(SEEN)
    names = ("python", "left", "known", "replaced", "other", "wrapper", "home", "script", "why")
    mine = dict.fromkeys(names, "mine")
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")}, **mine)
    variables = function.run(Event(), contender=contender).result["variables"]
    assert {name: variables.get(name) for name in mine} == mine


def test_installed_by_pip_it_is_started_out_of_the_functions_folder(
    function: Function, var_runtime
):
    function.code(SEEN)
    shutil.copytree(EXEC.parent, function.root / "snapboot")
    contender = on(var_runtime, **{WRAPPER: str(function.root / "snapboot/exec")})
    assert seen(function.run(Event(), contender=contender))["path"].count(str(function.root)) == 1


@pytest.mark.parametrize(
    "options", [("-X", "utf8"), ("-Xutf8",), ("-I", "-X", "utf8"), ("-W", "ignore", "-Xutf8")]
)
def test_options_of_the_interpreter_are_kept(function: Function, var_runtime, python, options):
    function.code(SEEN)
    run = started(function, str(EXEC), python, *options, str(var_runtime / "bootstrap.py"))
    assert seen(run)["options"] == [["-SsP", *options], 1]


def test_an_interpreter_without_a_version_in_its_name_is_asked(
    function: Function, var_runtime, bare_python
):
    function.code(SEEN)
    seen(started(function, str(EXEC), bare_python, str(var_runtime / "bootstrap.py")))


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_reads_the_script_as_any_other_shell_does(function: Function, var_runtime, python):
    function.code(SEEN)
    script = str(var_runtime / "bootstrap.py")
    run = started(function, *BASH, str(EXEC), python, "-X", "utf8", script)
    assert seen(run)["options"][1] == 1


def test_snapshot_hooks_run_as_on_the_managed_runtime(function: Function, var_runtime, layer):
    function.code("""
        from snapshot_restore_py import register_after_restore, register_before_snapshot

        register_before_snapshot(print, "before")
        register_after_restore(print, "after")

        def handler(event, context):
            return event
    """)
    snap_start = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    runs = [
        function.run(Event(b"1"), contender=on(var_runtime, **variables, **snap_start))
        for variables in ({}, {WRAPPER: str(layer / "snapboot")})
    ]
    for run in runs:
        assert (run.result, run.stdout, run.stderr) == (1, "before\nafter\n", "")
        assert [request.call for request in run.requests] == [
            request.call for request in runs[0].requests
        ]


def test_records_go_to_the_log_descriptor_as_frames(function: Function, var_runtime, layer):
    function.code("""
        import logging, os

        def handler(event, context):
            logging.error("two\\nlines")
            return os.environ.get("_LAMBDA_TELEMETRY_LOG_FD")
    """)
    log = function.root.parent / "log"
    texts = []
    for variables in ({}, {WRAPPER: str(layer / "snapboot")}):
        contender = on(var_runtime, _LAMBDA_TELEMETRY_LOG_FD="3", **variables)
        command = ["sh", "-c", f'exec "$0" 3>{log}', *contender.command("")]
        framed = Contender("framed", lambda _, command=command: command, contender.environment)
        assert function.run(Event(), contender=framed).result is None
        (frame,) = frames(log.read_bytes())
        texts.append((frame.kind, frame.text.partition("Z\t")[2]))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(function: Function, var_runtime, layer, closed):
    function.code("def handler(event, context): print(event); return type(context).__module__")
    start = f'exec "$0" {closed}'
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    under = Contender(
        "closed", lambda _: ["sh", "-c", start, *contender.command("")], contender.environment
    )
    assert function.run(Event(), contender=under).result == "snapboot.context"


@pytest.mark.parametrize("name", ["ENV", "BASH_ENV", "CDPATH", "PS4", "SHELLOPTS"])
def test_variables_that_a_shell_goes_by_change_nothing(
    function: Function, var_runtime, layer, name
):
    function.code(SEEN)
    (function.root / "profile").write_text("exit 3\n")
    mine = str(function.root / "profile") if name != "SHELLOPTS" else "xtrace"
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot"), name: mine})
    assert function.run(Event(), contender=contender).result["client"] == "snapboot"


def test_a_setting_that_has_no_such_choice_is_an_init_error_as_everywhere(
    function: Function, var_runtime, layer
):
    function.code(SEEN)
    variables = {WRAPPER: str(layer / "snapboot"), "SNAPBOOT_JSON": "yaml"}
    run = function.run(contender=on(var_runtime, **variables))
    assert "SNAPBOOT_JSON is 'yaml'" in run.document["errorMessage"]


# --- a second wrapper ---------------------------------------------------------------------------


@pytest.fixture
def second(tmp_path):
    """Return what writes a second wrapper and returns its path."""

    def write(source: str, mode: int = 0o755) -> str:
        path = tmp_path / "second"
        path.write_text(source)
        path.chmod(mode)
        return str(path)

    return write


@pytest.mark.skipif(not shutil.which("bash"), reason="the documented wrapper is for bash")
def test_a_second_wrapper_gets_the_command_and_its_options_count(
    function: Function, var_runtime, layer, second
):
    function.code(SEEN)
    variables = {WRAPPER: str(layer / "snapboot"), SECOND: second(DOCUMENTED)}
    run = function.run(Event(), contender=on(var_runtime, **variables))
    assert seen(run)["options"][1] == 1
    assert run.result["variables"]["FROM_THE_WRAPPER"] == "app.handler"


def test_a_second_wrapper_may_be_a_program_of_pythons(
    function: Function, var_runtime, layer, second
):
    # As opentelemetry-instrument: it changes PYTHONPATH and becomes what it was given.
    program = f"""#!{sys.executable}
import os, sys
os.environ["PYTHONPATH"] = "/instrumented"
os.execvp(sys.argv[1], sys.argv[1:])
"""
    function.code(SEEN)
    variables = {WRAPPER: str(layer / "snapboot"), SECOND: second(program)}
    path = seen(function.run(Event(), contender=on(var_runtime, **variables)))["path"]
    assert path[:3] == [str(function.root), str(var_runtime), "/instrumented"]


def test_a_second_wrapper_may_leave_out_our_options(function: Function, var_runtime, layer, second):
    function.code(SEEN)
    source = '#!/bin/sh\nfor last; do :; done\nexec "$1" "$last"\n'
    variables = {WRAPPER: str(layer / "snapboot"), SECOND: second(source)}
    path = seen(function.run(Event(), contender=on(var_runtime, **variables)))["path"]
    assert str(layer) not in path


@pytest.mark.parametrize("whom", ["itself", "the first"])
def test_wrappers_that_name_each_other_come_to_an_end(
    function: Function, var_runtime, layer, second, whom
):
    function.code(SEEN)
    first = str(layer / "snapboot")
    other = first if whom == "itself" else second(f'#!/bin/sh\nexec {first} "$@"\n')
    variables = {WRAPPER: first, SECOND: other}
    seen(function.run(Event(), contender=on(var_runtime, **variables)))


def test_the_wrapper_may_itself_be_the_second_one(function: Function, var_runtime, layer, second):
    function.code(SEEN)
    other = second(f'#!/bin/sh\nexec {layer / "snapboot"} "$@"\n')
    seen(function.run(Event(), contender=on(var_runtime, **{WRAPPER: other})))


@pytest.mark.parametrize("fault", ["missing", "not executable", "a folder"])
def test_a_second_wrapper_that_cannot_be_started_is_left_out_and_reported(
    function: Function, var_runtime, layer, second, fault
):
    function.code(SEEN)
    other = {
        "missing": "/nowhere/wrapper",
        "not executable": second("#!/bin/sh\n", 0o644),
        "a folder": str(layer),
    }[fault]
    variables = {WRAPPER: str(layer / "snapboot"), SECOND: other}
    run = function.run(Event(), contender=on(var_runtime, **variables))
    assert run.result["client"] == "snapboot"
    (line,) = run.stderr.splitlines()
    assert line == f"snapboot: SNAPBOOT_EXEC_WRAPPER is left out: {other} is not an executable file"


# --- what cannot be served ----------------------------------------------------------------------

BROKEN = {
    "the runtime is missing": shutil.rmtree,
    "the package is missing": lambda home: shutil.rmtree(home / "snapboot"),
    "a module is missing": lambda home: (home / "snapboot/wire.py").unlink(),
    "a module is empty": lambda home: (home / "snapboot/main.py").write_text(""),
    "a module is not Python": lambda home: (home / "snapboot/api.py").write_text("no Python ]["),
    "a module fails": lambda home: (home / "snapboot/output.py").write_text("1 / 0"),
    "a module leaves": lambda home: (home / "snapboot/codec.py").write_text("raise SystemExit(3)"),
    "a module is a folder": lambda home: _into_folder(home / "snapboot/handler.py"),
    "the package cannot be read": lambda home: (home / "snapboot/__init__.py").write_bytes(b"\0"),
}


def _into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("fault", BROKEN)
def test_with_a_broken_layer_the_function_runs_and_one_line_says_why(
    function: Function, var_runtime, layer, fault
):
    function.code(SEEN)
    BROKEN[fault](layer / "snapboot.d")
    variables = {WRAPPER: str(layer / "snapboot"), "PYTHONUTF8": "1"}
    run = function.run(Event(), contender=on(var_runtime, **variables))
    assert served_by_aws(run).startswith("snapboot: cannot start: ")
    # AWS's script is started as if nothing had been tried.
    assert run.result["argv"] == [str(var_runtime / "bootstrap.py")]
    assert run.result["path"][1:3] == [SITE_OF_LAYERS, "/opt/python"]
    assert not [name for name in run.result["variables"] if name.startswith("_SNAPBOOT")]


def test_a_start_that_fails_late_leaves_no_trace(function: Function, var_runtime, layer):
    function.code(SEEN)
    handler = layer / "snapboot.d/snapboot/handler.py"
    last = "        sys.path.append(own)\n"
    source = handler.read_text()
    assert last in source
    handler.write_text(source.replace(last, f"{last}    raise OSError('two\\nlines')\n"))
    contender = on(var_runtime, **{WRAPPER: str(layer / "snapboot")})
    run = function.run(Event(), contender=contender)
    assert "OSError: two lines" in served_by_aws(run)
    assert SITE_OF_LAYERS in run.result["path"]


def test_a_start_that_fails_keeps_the_options(function: Function, var_runtime, python, layer):
    function.code(SEEN)
    shutil.rmtree(layer / "snapboot.d")
    script = str(var_runtime / "bootstrap.py")
    run = started(function, str(layer / "snapboot"), python, "-X", "utf8", script)
    assert run.result["options"] == [["-X", "utf8"], 1]


def test_a_setting_that_cannot_be_met_is_no_reason_to_fail(function: Function, var_runtime, layer):
    function.code(SEEN)
    variables = {WRAPPER: str(layer / "snapboot"), "SNAPBOOT_TRANSPORT": "urllib3"}
    run = function.run(Event(), contender=on(var_runtime, **variables))
    assert "no urllib3 to reach" in served_by_aws(run)


def test_an_older_python_runs_its_command_unchanged(tmp_path):
    python = tmp_path / "python3.9"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = _by_hand(EXEC, python, "-X", "utf8", "/var/runtime/bootstrap.py")
    assert done.stdout == "-X utf8 /var/runtime/bootstrap.py\n"
    assert done.stderr == (
        f"snapboot: {python} is older than CPython 3.11; AWS's own runtime client serves the function\n"
    )


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["python3.9", "python3.10", "python2.7", "node", "pypy3.11"])
def test_another_interpreter_is_started_as_it_would_have_been(tmp_path, shell, name):
    program = tmp_path / name
    program.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    program.chmod(0o755)
    done = _by_hand(*shell, EXEC, program, "two words", "", "*", "/var/runtime/bootstrap.py")
    assert (done.returncode, done.stdout) == (0, "[two words][][*][/var/runtime/bootstrap.py]")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "awslambdaric", "app.handler"),
        ("-Im", "awslambdaric", "app.handler"),
        ("-X", "frozen_modules=off", "-m", "debugpy", "/var/runtime/bootstrap.py"),
        ("-c", "pass"),
        ("-",),
        ("-X",),
        ("-X", "utf8"),
        ("--check-hash-based-pycs", "always", "/var/runtime/bootstrap.py"),
        ("/opt/launcher.py", "/var/runtime/bootstrap.py"),
        ("",),
    ],
)
def test_what_does_not_start_aws_client_is_started_as_it_would_have_been(
    tmp_path, shell, arguments
):
    program = tmp_path / "python3.13"
    program.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    program.chmod(0o755)
    done = _by_hand(*shell, EXEC, program, *arguments)
    assert done.stdout == "".join(f"[{word}]" for word in arguments)
    (line,) = done.stderr.splitlines()
    assert "does not start AWS's client" in line


def test_started_by_hand_it_says_what_it_is_for():
    done = _by_hand(EXEC)
    assert done.returncode == 64
    assert WRAPPER in done.stderr


def test_outside_of_lambda_the_command_is_left_to_itself(var_runtime, python):
    done = _by_hand(EXEC, python, var_runtime / "bootstrap.py", LAMBDA_TASK_ROOT="/nowhere")
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr.splitlines()[0]
    assert done.returncode == 1


def _by_hand(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
