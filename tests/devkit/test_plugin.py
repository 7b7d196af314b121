"""Functions under test: the Python API, and the fixtures in a pytest of their own."""

import sys

import pytest

from snapboot_devkit.host import ConfigError, InvokeError, Status
from snapboot_devkit.testing import LambdaFunction
from tests.devkit.hosted import HERE, runs

pytest_plugins = ["pytester"]

PLAIN = {"task_root": HERE, "bootstrap": [sys.executable, "-B", str(HERE / "plain_runtime.py")]}
COUNTER = """
calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("call", calls)
    return {"calls": calls, "event": event}
"""


def behaviour(name, **settings):
    return LambdaFunction(name, **{**PLAIN, "timeout": 30, "log": lambda _: None, **settings})


def test_a_function_is_invoked_in_one_line():
    with behaviour("echo") as function:
        result = function.invoke({"name": "Ada"})
    assert result.json() == {"name": "Ada"}
    assert result.payload == b'{"name": "Ada"}'
    assert result.function_error is None
    assert result.report.status is Status.SUCCESS


def test_a_function_error_is_a_result():
    with behaviour("fail") as function:
        result = function.invoke("boom")
    assert result.function_error == "Unhandled"
    assert result.json()["errorMessage"] == "boom"


def test_an_environment_serves_until_the_end_and_leaves_no_process():
    with behaviour("about") as function:
        pids = {function.invoke().json()["env"]["PID"] for _ in range(3)}
        assert len(pids) == 1
        assert runs(int(*pids))
    assert not runs(int(*pids))


def test_the_log_is_that_of_all_invocations_and_the_report_that_of_the_last():
    with behaviour("say", memory=256) as function:
        first = function.invoke(["one\n"])
        last = function.invoke(["two\n"])
        assert function.report is last.report
    assert "one" in first.logs
    assert "one" not in last.logs
    assert [line for line in function.logs if line in ("one", "two")] == ["one", "two"]
    assert first.report.init_ms > 0
    assert last.report.init_ms is None
    assert last.report.memory_size_mb == 256


def test_a_report_before_the_first_invocation_is_an_error():
    with behaviour("echo") as function, pytest.raises(LookupError, match="not been invoked yet"):
        _ = function.report


def test_a_response_can_be_read_piece_by_piece():
    with behaviour("echo") as function:
        stream = function.stream({"name": "Ada"})
        assert b"".join(stream) == b'{"name": "Ada"}'
        assert stream.result.function_error is None
        assert function.report is stream.result.report


def test_a_timeout_is_seconds():
    with behaviour("hang", timeout=0.3) as function:
        result = function.invoke({"hang": True})
    assert result.report.status is Status.TIMEOUT
    assert "timed out after 0.30 seconds" in result.json()["errorMessage"]


def test_a_setting_that_cannot_be_used_is_reported_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match="timeout 901 must be"):
        behaviour("echo", timeout=901)
    with pytest.raises(ConfigError, match="is not a folder"):
        LambdaFunction("app.handler", task_root=tmp_path / "none")


def test_an_event_that_is_too_large_is_refused_as_the_service_does():
    with behaviour("echo") as function, pytest.raises(InvokeError) as refused:
        function.invoke(b'"%s"' % (b"x" * 7 * 1024 * 1024))
    assert refused.value.status == 413


def test_it_ends_for_certain_when_the_test_fails():
    pids = []

    def failing():
        with behaviour("about") as function:
            pids.append(int(function.invoke().json()["env"]["PID"]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert not runs(*pids)


# ---- the fixtures ----------------------------------------------------------------------------


@pytest.fixture
def project(pytester):
    """Return what runs pytest on tests beside a function."""
    pytester.makepyfile(app=COUNTER)

    def run(*arguments, **files):
        pytester.makepyfile(**files)
        # By name, so that it makes no difference whether the distribution is installed.
        plugin = ("-p", "no:snapboot", "-p", "snapboot_devkit.pytest_plugin")
        return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", *arguments)

    return run


def test_a_test_of_a_function_is_three_lines(project):
    done = project(
        test_it="""
        def test_ada_is_counted(lambda_function):
            function = lambda_function("app.handler", timeout=30)
            assert function.invoke("Ada").json() == {"calls": 1, "event": "Ada"}
        """
    )
    done.assert_outcomes(passed=1)


def test_each_test_gets_environments_of_its_own_and_a_module_may_share_them(project):
    done = project(
        test_it="""
        import pytest

        @pytest.fixture(scope="module")
        def shared(module_lambda_function):
            return module_lambda_function("app.handler", timeout=30)

        @pytest.mark.parametrize("count", [1, 2])
        def test_shared(shared, count):
            assert shared.invoke().json()["calls"] == count

        @pytest.mark.parametrize("turn", [1, 2])
        def test_own(lambda_function, turn):
            function = lambda_function("app.handler", timeout=30)
            assert [function.invoke().json()["calls"] for _ in range(2)] == [1, 2]
        """
    )
    done.assert_outcomes(passed=4)


def test_a_failing_test_shows_the_functions_log(project):
    done = project(
        test_it="""
        def test_it_fails(lambda_function):
            lambda_function("app.handler", timeout=30).invoke()
            assert False
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*Captured stderr call*", "START RequestId: *", "call 1"])


def test_a_traceback_in_the_functions_log_is_shown_line_by_line(project):
    done = project(
        test_it="""
        def test_it_fails(lambda_function):
            assert lambda_function("absent.handler", timeout=30).invoke().function_error is None
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["?ERROR? Runtime.ImportModuleError: *'absent'", "Traceback *"])


def test_the_code_is_where_the_setting_says(project, pytester):
    pytester.mkdir("src")
    pytester.path.joinpath("src", "other.py").write_text("def handler(event, context): return 1\n")
    pytester.makeini("[pytest]\nlambda_task_root = src\n")
    done = project(
        test_it="""
        def test_it_is_found(lambda_function):
            assert lambda_function("other.handler", timeout=30).invoke().json() == 1
        """
    )
    done.assert_outcomes(passed=1)


def test_a_project_that_uses_no_fixture_does_not_load_the_host(project):
    done = project(
        test_it="""
        import sys

        def test_nothing_is_loaded():
            loaded = {name for name in sys.modules if name.startswith("snapboot")}
            assert loaded == {"snapboot_devkit", "snapboot_devkit.pytest_plugin"}
        """
    )
    done.assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_what_they_are_for(project):
    listed = project("--fixtures", test_it="")
    listed.stdout.fnmatch_lines(["lambda_function*", "*Return what opens a Lambda function*"])


def test_the_distribution_names_the_plugin():
    import tomllib

    from snapboot_devkit import pytest_plugin

    declared = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())
    plugins = declared["project"]["entry-points"]["pytest11"]
    assert plugins == {"snapboot": pytest_plugin.__name__}
