"""What a handler finds while it is packaged is what it finds on Lambda; and what a failure says."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.package.binary import modules
from snapboot_devkit.package.interpreters import managed
from tests.devkit.packages import HELLO, filled, snapboot
from tests.devkit.test_module_archive_sealing import RUNTIME, Task, in_target

HANDLERS = """
import logging
root = logging.getLogger()
root.setLevel("INFO")
root.handlers[0].setFormatter(logging.Formatter("%(aws_request_id)s %(message)s"))
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "task").mkdir()
    return Task(tmp_path / "task")


# --- the real Function Init -----------------------------------------------------------------------


def test_code_that_touches_the_root_loggers_handler_at_import_is_sealed(task: Task):
    task.app(HANDLERS)
    task.seal()
    assert {"app", "logging"} <= set(task.sealed())


def test_the_log_format_that_is_asked_for_is_the_one_the_import_finds(task: Task):
    task.app("""
        import logging
        (handler,) = logging.getLogger().handlers
        assert "Json" in type(handler.formatter).__name__, handler.formatter
        logging.warning("seen")
    """)
    task.seal(AWS_LAMBDA_LOG_FORMAT="JSON")
    assert {"app", "json"} <= set(task.sealed())


@pytest.mark.parametrize(
    "statement",
    [
        "assert sys.path[0] == os.environ['LAMBDA_TASK_ROOT'] == os.getcwd()",
        "assert sys.path[-1] == os.environ['LAMBDA_RUNTIME_DIR']",
        "assert sys.argv[0].endswith('__main__.py') and len(sys.argv) == 1",
        "assert type(sys.stdout).__name__ == 'UnbufferedText'",
        "assert os.environ['AWS_LAMBDA_RUNTIME_API'] and os.environ['_HANDLER'] == 'app.handler'",
        "assert '_X_AMZN_TRACE_ID' not in os.environ",
        "assert sys.stdin is not None and sys.flags.no_site",
        "import snapshot_restore_py; snapshot_restore_py.register_after_restore(print)",
        "import gc; assert gc.get_threshold()[0] == 0",  # the runtime's rest during init
        "import snapboot; assert snapboot.current_context() is None",
    ],
)
def test_the_import_finds_what_the_runtime_lays_out(task: Task, statement):
    task.app(f"import os, sys\n{statement}")
    task.seal()
    assert "app" in task.sealed()


def test_an_unknown_setting_fails_as_on_lambda(task: Task):
    task.app("")
    document = in_target(
        "seal", task.root, "--handler", "app.handler", "--runtime", RUNTIME, SNAPBOOT_GC="often"
    )
    assert "SNAPBOOT_GC is 'often'" in document["error"]["message"]


def test_with_snapstart_no_hook_is_run(task: Task):
    task.app("""
        import snapboot
        @snapboot.before_snapshot
        def hook(): raise AssertionError("a snapshot is taken of nothing here")
    """)
    task.seal(AWS_LAMBDA_INITIALIZATION_TYPE="on-demand")
    assert "app" in task.sealed()


def test_what_the_runtime_imports_once_the_handler_is_there_is_sealed_too(task: Task):
    task.app("import logging")
    task.seal()
    # `traceback` is what the runtime's own side of `logging` needs.
    assert "traceback" in task.sealed()
    assert not [name for name in task.sealed() if name.startswith("snapboot")]


# --- layers and folders ---------------------------------------------------------------------------


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return filled(
        tmp_path / "layer",
        {"python/layered.py": "VALUE = 1\n", "data.txt": "42", "python/lib/x/y.py": ""},
    )


def test_modules_of_a_layer_are_found_and_stay_the_layers(task: Task, layer: Path):
    task.app("import layered, colorsys")
    document = task.seal("--layer", layer)
    assert "layered" not in task.sealed()
    assert "colorsys" in task.sealed()
    assert document["left_out"] == {}


def test_folders_of_lambda_on_the_path_are_looked_for_where_they_are_here(task: Task, layer: Path):
    task.write(
        "vendored/second.py", "import os\nassert '/var/task' not in os.environ['PYTHONPATH']"
    )
    task.app("import second, layered")
    task.seal("--layer", layer, PYTHONPATH="/var/task/vendored:/opt/python")
    assert task.sealed()["second"].home == "tvendored"


# --- what a failure says --------------------------------------------------------------------------


def test_a_variable_that_is_missing_is_named_with_those_that_will_be_next(task: Task):
    task.app("""
        import os
        TABLE = os.environ["TABLE_NAME"]
        BUCKET = os.getenv("BUCKET")
        REGION, STAGE = os.environ["AWS_REGION"], os.environ.get("STAGE", "dev")
        QUEUE = os.environ.get("QUEUE")
    """)
    document = in_target(
        "seal", task.root, "--handler", "app.handler", "--runtime", RUNTIME, AWS_REGION="eu-west-1"
    )
    remedy = document["error"]["remedy"]
    assert "--env TABLE_NAME=… --env BUCKET=… --env QUEUE=…" in remedy
    assert "REGION" not in remedy.replace("--env-file", "")
    assert "STAGE" not in remedy


def test_a_key_that_is_missing_elsewhere_is_no_variable(task: Task):
    task.app("SETTINGS = {}\nSETTINGS['TABLE_NAME']")
    assert "TABLE_NAME=" not in task.refused()["remedy"]


def test_a_variable_that_is_none_is_a_guess_that_is_said(task: Task):
    task.app('import os\nURL = os.getenv("API_URL") + "/v1"')
    assert "--env API_URL=…" in task.refused()["remedy"]


def test_a_file_of_a_layer_is_named(task: Task):
    task.app('CA = open("/opt/certificates/ca.pem").read()')
    remedy = task.refused()["remedy"]
    assert "'/opt/certificates/ca.pem'" in remedy
    assert "--layer" in remedy


def test_so_is_one_whose_absence_the_code_has_words_of_its_own_for(task: Task):
    task.app("""
        try:
            open("/opt/model.bin")
        except OSError:
            raise RuntimeError("no model") from None
    """)
    assert "'/opt/model.bin'" in task.refused()["remedy"]


def test_a_host_that_it_asked_for_is_named(task: Task):
    task.app('import socket\nsocket.create_connection(("127.0.0.1", 1), 5)')
    error = task.refused()
    assert "127.0.0.1:1" in error["remedy"]
    assert "ConnectionRefusedError" in error["message"]


def test_a_package_that_is_missing_is_named(task: Task):
    task.app("import requests_like")
    remedy = task.refused()["remedy"]
    assert "'requests_like'" in remedy
    assert "--requirements" in remedy
    assert "--layer" in remedy


def test_an_import_that_never_ends_is_stopped_and_the_line_is_named(task: Task):
    task.write("waits.py", """        import socket
        listening = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listening.getsockname())
        client.recv(1)
    """)  # fmt: skip
    task.app("import waits")
    error = task.refused("--limit", "1.5")
    assert "longer than 1.5 s" in error["message"]
    assert f"{task.root}/waits.py, line 4" in error["message"]
    assert "127.0.0.1:" in error["remedy"]


def test_one_that_cannot_even_say_where_it_is_is_stopped(task: Task):
    task.app("""
        import signal, threading
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        threading.Event().wait()
    """)
    assert "longer than 1 s" in task.refused("--limit", "1")["message"]


def test_it_may_be_left_without_an_archive(task: Task):
    task.app("import nothing_here")
    assert task.seal("--if-importable")["archive"] is None
    assert not (task.root / modules.NAME).exists()


def test_what_cannot_work_on_lambda_either_may_not(task: Task):
    task.app("def f(:")
    assert "error" in task.seal("--if-importable")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _lambda_has_such_a_machine():
    if managed.native() is None:
        pytest.skip("packages are made on Linux")


def packaged(source, output, *options):
    return snapboot(
        *("package", source, "--as", "zip", "--no-interpreter", "--output", output),
        *("--arch", managed.native(), "--json", "--handler", "app.handler", *options),
    )


def names(output):
    with zipfile.ZipFile(output / "function.zip") as archive:
        return set(archive.namelist())


def test_a_function_whose_import_fails_is_packaged_without_an_archive_and_one_warning(tmp_path):
    source = filled(tmp_path / "src", {"app.py": "import os\nos.environ['TABLE']\n" + HELLO})
    done = packaged(source, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert "without a module archive" in warning
    assert "--env TABLE=…" in warning
    assert "app.py" in names(tmp_path / "out")
    assert modules.NAME not in names(tmp_path / "out")


def test_or_refused_if_the_archive_is_required(tmp_path):
    source = filled(tmp_path / "src", {"app.py": "import os\nos.environ['TABLE']\n" + HELLO})
    done = packaged(source, tmp_path / "out", "--require-archive")
    assert done.returncode == 2
    assert "--env TABLE=…" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_doing_what_the_warning_says_makes_the_archive(tmp_path, layer, packed):
    source = filled(
        tmp_path / "src",
        {
            "app.py": "import os, layered, second\nos.environ['TABLE'], os.environ['URL']\n"
            + HELLO,
            "vendored/second.py": "",
        },
    )
    if packed:
        with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
            for path in sorted(layer.rglob("*")):
                archive.write(path, path.relative_to(layer))
        layer = tmp_path / "layer.zip"
    (tmp_path / "vars").write_text('TABLE="orders" # quoted\nexport URL=https://example.com\n')
    done = packaged(
        *(source, tmp_path / "out", "--require-archive", "--layer", layer),
        *("--env-file", tmp_path / "vars", "--env", "PYTHONPATH=/var/task/vendored:/opt/python"),
    )
    assert done.returncode == 0, done.stderr
    assert modules.NAME in names(tmp_path / "out")
    assert not [name for name in names(tmp_path / "out") if "layered" in name]


def test_files_of_a_layer_are_at_opt_where_this_machine_can_show_them_there(tmp_path, layer):
    source = filled(tmp_path / "src", {"app.py": "DATA = open('/opt/data.txt').read()\n" + HELLO})
    done = packaged(source, tmp_path / "out", "--layer", layer)
    assert done.returncode == 0, done.stderr
    warnings = json.loads(done.stdout)["warnings"]
    # Where it cannot, there is a word of it.
    assert (modules.NAME in names(tmp_path / "out")) == (not warnings)
    assert all("/opt" in warning for warning in warnings)
    if os.geteuid() == 0 and Path("/opt").is_dir():
        assert warnings == []


@pytest.mark.parametrize(
    ("handler", "file"),
    [
        ("api-gateway-authorizer-python.lambda_handler", "api-gateway-authorizer-python.py"),
        ("01_job.lambda_handler", "01_job.py"),
        ("get-user/app.lambda_handler", "get-user/app.py"),
        ("get-user.app.lambda_handler", "get-user/app.py"),
    ],
)
def test_handlers_that_are_no_identifiers_are_sealed(tmp_path, handler, file):
    source = filled(tmp_path / "src", {file: "def lambda_handler(event, context): ...\n"})
    done = packaged(source, tmp_path / "out", "--require-archive", "--handler", handler)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "out/function.zip") as archive:
        sealed = modules.read(archive.read(modules.NAME)).modules
    assert handler.rpartition(".")[0].replace("/", ".") in {module.name for module in sealed}
