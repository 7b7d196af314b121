"""The variables that a runtime and an extension see: what the platform sets, and nothing else."""

import sys
from pathlib import Path

import pytest

from snapboot_devkit.host import FunctionConfig, InitializationType
from snapboot_devkit.host.routes.services import Credentials, Services
from snapboot_devkit.host.sandbox.environ import SandboxPaths, extension_environ, runtime_environ

API = "127.0.0.1:9001"
OWN_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def environ(layer_root=None, services=None, temporary=None, **settings):
    config = FunctionConfig("app.handler", task_root=Path.cwd(), **settings)
    return runtime_environ(config, API, "stream", SandboxPaths(layer_root, services, temporary))


def test_a_plain_function_sees_exactly_these():
    root = str(Path.cwd())
    assert environ(memory_mb=512, env={"STAGE": "test"}) == {
        "AWS_ACCESS_KEY": "local",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "test_function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/test_function",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_RUNTIME_API": API,
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": root,
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"/var/lang/lib:/var/runtime:/var/runtime/lib:{root}:{root}/lib:/opt/lib",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "STAGE": "test",
        "TZ": ":UTC",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_HANDLER": "app.handler",
    }


def test_an_extension_does_not_see_what_is_the_runtimes():
    whole = environ(env={"STAGE": "test"})
    assert whole.keys() - extension_environ(whole).keys() == {
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT",
        "_HANDLER",
    }


def test_layers_are_found_where_they_are(tmp_path):
    (tmp_path / "python").mkdir()
    found = environ(layer_root=tmp_path)
    assert found["PATH"].endswith(f":{tmp_path}/bin")
    assert found["LD_LIBRARY_PATH"].endswith(f":{tmp_path}/lib")
    assert found["PYTHONPATH"] == (
        f"{tmp_path}/python/lib/{OWN_VERSION}/site-packages:{tmp_path}/python"
    )


def test_layers_without_python_leave_the_path_alone(tmp_path):
    assert "PYTHONPATH" not in environ(layer_root=tmp_path)


def test_the_site_packages_of_a_layer_are_those_of_the_functions_interpreter(tmp_path):
    (tmp_path / "python").mkdir()
    # It is asked, whatever it is called.
    (tmp_path / "python3.99").symlink_to(sys.executable)
    found = environ(layer_root=tmp_path, python=str(tmp_path / "python3.99"))
    assert f"/lib/{OWN_VERSION}/site-packages:" in found["PYTHONPATH"]


@pytest.mark.parametrize("name", ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "TZ", "LANG"])
def test_a_function_may_override_the_defaults(name, tmp_path):
    (tmp_path / "python").mkdir()
    found = environ(layer_root=tmp_path, temporary=tmp_path, env={name: "mine"})
    assert found[name] == "mine"


def test_an_image_overrides_the_defaults_and_the_function_overrides_the_image():
    found = environ(image_env={"LANG": "image", "TZ": "image"}, env={"TZ": "function"})
    assert (found["LANG"], found["TZ"]) == ("image", "function")


def test_a_function_with_a_key_of_its_own_gets_none_of_ours():
    found = environ(env={"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "mine"})
    assert "AWS_SESSION_TOKEN" not in found


def test_a_snapshot_fetches_its_credentials_and_knows_no_log_stream():
    services = Services(
        "bearer", credentials=Credentials("a", "b", "c", 0.0), credentials_token="t"
    )
    found = environ(services=services, initialization=InitializationType.SNAP_START)
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == f"http://{API}/2021-04-23/credentials"
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == "t"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SESSION_TOKEN"} & found.keys()
    assert not {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"} & found.keys()


def test_the_metadata_endpoint_is_set_with_its_token():
    found = environ(services=Services("bearer"))
    assert found["AWS_LAMBDA_METADATA_API"] == API
    assert found["AWS_LAMBDA_METADATA_TOKEN"] == "bearer"


@pytest.mark.parametrize(("level", "expected"), [(None, "INFO"), ("DEBUG", "DEBUG")])
def test_the_log_level_is_set_with_the_json_format_alone(level, expected):
    found = environ(log_format="JSON", log_level=level)
    assert (found["AWS_LAMBDA_LOG_FORMAT"], found["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", expected)
    assert "AWS_LAMBDA_LOG_LEVEL" not in environ()


def test_a_managed_instance_knows_how_many_events_come_at_once():
    managed = InitializationType.MANAGED_INSTANCES
    found = environ(initialization=managed, max_concurrency=16, memory_mb=2048)
    assert found["AWS_LAMBDA_MAX_CONCURRENCY"] == "16"
    assert found["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"


def test_nothing_of_the_hosts_own_environment_gets_through(monkeypatch):
    before = environ()
    monkeypatch.setenv("A_VARIABLE_OF_THE_HOST", "secret")
    assert environ() == before
