"""What error reporters and tracers patch in AWS's runtime, by its names: honoured here, too."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from oracles import awslambdaric
from tests.fakes.contenders import AWSLAMBDARIC, CONTENDERS, OURS, Contender
from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}

# The places, each as some tool looks there.
MAIN = "from __main__ import bootstrap"
IMPORT = "import awslambdaric.bootstrap as bootstrap"
PLACES = {
    "the main module's bootstrap": MAIN,
    "the import of awslambdaric.bootstrap": IMPORT,
    "the package's attribute": "import awslambdaric.bootstrap; bootstrap = awslambdaric.bootstrap",
    "the module of the client, and the bootstrap": (
        "from awslambdaric import bootstrap, lambda_runtime_client;"
        " assert bootstrap.LambdaRuntimeClient is lambda_runtime_client.LambdaRuntimeClient"
    ),
}
MANAGED = "import __main__; bootstrap = __main__.awslambdaricmain.bootstrap"

# Notes what is called with which arguments and lets it pass.
SPY = """
import sys
{place}

PLAIN = (str, bytes, int, dict, type(None))
calls = []

def spied(name, function):
    def noted(*args, **kwargs):
        assert not kwargs
        shown = [a if isinstance(a, PLAIN) else "an object" for a in args]
        calls.append([name, shown, str(sys.exc_info()[0])])
        if name == "post_init_error":
            print(f"POSTED{{calls}}POSTED")
        return function(*args, **kwargs)
    return noted

bootstrap.handle_event_request = spied("handle", bootstrap.handle_event_request)
for name in ("post_init_error", "post_invocation_result", "post_invocation_error"):
    client = bootstrap.LambdaRuntimeClient
    setattr(client, name, spied(name, getattr(client, name)))
"""
HANDLER = """
def handler(event, context):
    seen = calls.copy()
    calls.clear()
    if event == "raise":
        raise ValueError("no table")
    if event == "bytes":
        return b"abc"
    return seen
"""
ALWAYS = {"Lambda-Runtime-Deadline-Ms": "4000000000000"}
HEADERS = {
    "Lambda-Runtime-Client-Context": '{"custom": {"a": 1}}',
    "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
    "Lambda-Runtime-Aws-Tenant-Id": "blue",
    "Lambda-Runtime-Invocation-Id": "once",
}


@pytest.fixture(params=CONTENDERS, ids=lambda contender: contender.name)
def contender(request) -> Contender:
    """Return each of the two runtimes, for what holds of both."""
    return available(request.param)


@pytest.fixture
def amazons() -> Contender:
    return available(AWSLAMBDARIC)


def available(contender: Contender) -> Contender:
    contender.environment()
    return contender


def meant(value: Any) -> Any:
    """Return it with what its JSON texts mean, however they are spelled."""
    if isinstance(value, list):
        return [meant(item) for item in value]
    if isinstance(value, str) and value.startswith(("{", "[[")):
        return meant(json.loads(value))
    return value


# --- the same calls with the same arguments -----------------------------------------------------


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_is_patched_is_called_as_awslambdaric_calls_it(function: Function, place, amazons):
    function.code(SPY.format(place=place) + HANDLER)
    bodies = [b"1", b'"raise"', b"1", b'"bytes"', b"1", b'"\xc3\xa9"', b"[,"]
    events = [Event(body, headers=HEADERS | ALWAYS) for body in bodies]
    events += [Event(b"1", headers=ALWAYS)] * 2
    ours, theirs = (function.run(*events, contender=runtime) for runtime in (OURS, amazons))
    assert [a.path for a in ours.answers] == [a.path for a in theirs.answers]
    seen = [meant(answer.json()) for answer in ours.answers if answer.body != b"abc"]
    assert [call[0] for call in seen[0]] == ["handle"]
    assert [call[0] for call in seen[2]] == ["post_invocation_error", "handle"]
    wanted = [meant(answer.json()) for answer in theirs.answers if answer.body != b"abc"]
    # Words of the JSON modules differ in what cannot be decoded.
    for answer in (seen[-3], wanted[-3]):
        assert answer.pop("errorMessage").startswith("Unable to unmarshal input: Expecting")
    for answer in (seen[-2], wanted[-2]):
        ((document, cause),) = (c[1][2:4] for c in answer if c[0] == "post_invocation_error")
        document.pop("errorMessage")
        cause["exceptions"][0].pop("message")
    assert seen == wanted


def test_the_managed_runtimes_place_is_the_same_module(function: Function):
    function.code(
        f"""
        {MAIN}
        found = bootstrap
        {MANAGED}
        {IMPORT} as imported

        def handler(event, context):
            return [found is bootstrap, found is imported]
    """.replace(" as bootstrap as imported", " as imported")
    )
    assert function.run(Event()).result == [True, True]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("failure", ["raise KeyError('TABLE')", "import nowhere_at_all", "1 +"])
def test_a_failed_init_is_posted_by_what_is_patched_as_under_awslambdaric(
    function: Function, place, failure, amazons
):
    function.write("names.py", SPY.format(place=place))
    function.code(f"import names\n{'' if failure == '1 +' else failure}\n")
    if failure == "1 +":
        function.write("broken.py", failure)
        function.code("import names, broken")
    ours, theirs = (function.run(contender=runtime) for runtime in (OURS, amazons))
    assert ours.returncode == theirs.returncode == 1
    (name, (client, fields), raised), (_, (_, wanted), _) = (
        eval(run.stdout.split("POSTED")[1])[0] for run in (ours, theirs)
    )
    assert (name, client, raised) == ("post_init_error", "an object", "None")
    assert fields == ours.document
    for key in ("errorType", "errorMessage", "requestId"):
        assert fields[key] == wanted[key]
    assert fields["stackTrace"] == wanted["stackTrace"][-len(fields["stackTrace"]) :]
    assert bool(fields["stackTrace"]) == bool(wanted["stackTrace"])


def test_a_failed_hook_before_the_snapshot_is_posted_by_what_is_patched(
    function: Function, contender
):
    function.code(
        SPY.format(place=MAIN)
        + """
import snapshot_restore_py

@snapshot_restore_py.register_before_snapshot
def fail():
    raise ValueError("no table")
"""
        + HANDLER
    )
    run = function.run(contender=contender, environment=SNAP_START)
    (called,) = eval(run.stdout.split("POSTED")[1])
    assert called[1][1]["errorType"] == "ValueError"
    assert called[1][2] == "Runtime.BeforeSnapshotError"
    assert run.error.call is Call.INIT_ERROR
    assert run.error.header("Lambda-Runtime-Function-Error-Type") == "Runtime.BeforeSnapshotError"


# --- what a patch changes is what is done -------------------------------------------------------


def test_a_patch_can_wrap_the_handler_change_the_event_and_the_answers(
    function: Function, contender
):
    function.code(f"""
        {MAIN}
        original = bootstrap.handle_event_request

        def handle(client, handler, invoke_id, body, *rest):
            def wrapped(event, context):
                return ["wrapped", context.aws_request_id, handler(event, context)]
            return original(client, wrapped, invoke_id, body.replace(b"old", b"new"), *rest)

        bootstrap.handle_event_request = handle
        client = bootstrap.LambdaRuntimeClient
        result, error = client.post_invocation_result, client.post_invocation_error

        def post_result(self, invoke_id, data, *rest):
            return result(self, invoke_id, data.replace("new", "newer"), *rest)

        def post_error(self, invoke_id, document, cause, *rest):
            return error(self, invoke_id, document.replace("secret", "***"), "", *rest)

        client.post_invocation_result, client.post_invocation_error = post_result, post_error

        def handler(event, context):
            if event == "raise":
                raise ValueError("secret")
            return event
    """)
    run = function.run(Event(b'"old"'), Event(b'"raise"'), contender=contender)
    answer, error = run.answers
    assert answer.json() == ["wrapped", answer.request_id, "newer"]
    assert error.json()["errorMessage"] == "***"


def test_a_patch_may_hand_on_a_client_of_its_own(function: Function, contender):
    function.code(f"""
        {MAIN}
        original = bootstrap.handle_event_request

        class Client:
            def __init__(self, client):
                self.client = client
                self.marshaller = getattr(client, "marshaller", None)

            def post_invocation_result(self, invoke_id, data, *rest):
                self.client.post_invocation_result(invoke_id, '"mine"', *rest)

        def handle(client, *args):
            return original(Client(client), *args)

        bootstrap.handle_event_request = handle

        def handler(event, context):
            return event
    """)
    assert function.run(Event(), contender=contender).result == "mine"


def test_a_patch_made_within_the_handler_holds_for_the_answer_of_this_event(
    function: Function, contender
):
    function.code(f"""
        def handler(event, context):
            {MAIN}
            client = bootstrap.LambdaRuntimeClient
            original = client.post_invocation_result
            def post(self, invoke_id, data, *rest):
                print("FLUSHED")
                original(self, invoke_id, data, *rest)
            if event:
                client.post_invocation_result = post
            return event
    """)
    run = function.run(Event(b"0"), Event(b"1"), Event(b"0"), contender=contender)
    assert run.results == [0, 1, 0]
    assert run.stdout.count("FLUSHED") == 2


@pytest.mark.parametrize("place", [MAIN, IMPORT])
def test_what_is_put_back_is_no_longer_called(function: Function, place, contender):
    function.code(
        SPY.format(place=place).replace(
            "calls = []",
            f"calls = []\n{place}\nbefore = vars(bootstrap).copy()\nmethods = vars(bootstrap.LambdaRuntimeClient).copy()",
        )
        + """
def handler(event, context):
    if event == "stop":
        bootstrap.handle_event_request = before["handle_event_request"]
        for name in ("post_init_error", "post_invocation_result", "post_invocation_error"):
            if name in methods:
                setattr(bootstrap.LambdaRuntimeClient, name, methods[name])
            else:
                delattr(bootstrap.LambdaRuntimeClient, name)
    seen = [call[0] for call in calls]
    calls.clear()
    return seen
"""
    )
    events = [Event(b"1"), Event(b"1"), Event(b'"stop"'), Event(b"1"), Event(b"1")]
    run = function.run(*events, contender=contender)
    both = ["post_invocation_result", "handle"]
    assert run.results == [["handle"], both, both, [], []]


def test_errors_and_results_beyond_the_ordinary_pass_the_patches_whole(function: Function):
    function.code(
        SPY.format(place=MAIN)
        + r"""
import snapboot

def handler(event, context):
    if event == "context":
        return snapboot.current_context().aws_request_id == context.aws_request_id
    if event == "large":
        return "x" * 7_000_000
    if event == "surrogate":
        return "\ud800"
    if event == "raise":
        raise ValueError("\ud800 \u2028 \x00")
    if event == "recurse":
        return handler("recurse", context)
    if event == "result":
        return object()
    return event
"""
    )
    names = ["context", "large", "surrogate", "raise", "recurse", "result", "end"]
    run = function.run(*(Event(json.dumps(name).encode()) for name in names))
    assert run.returncode is None, run.stderr
    answers = [(a.call.value, a.json() if len(a.body) < 99 else len(a.body)) for a in run.answers]
    assert answers[0] == ("response", True)
    assert answers[1] == ("response", 7_000_002)
    assert answers[2] == ("response", "\ud800")
    types = [a.header("Lambda-Runtime-Function-Error-Type") for a in run.answers]
    assert types[3:6] == ["ValueError", "RecursionError", "Runtime.MarshalError"]
    assert answers[6] == ("response", "end")


def test_a_document_that_a_patch_has_spoiled_is_posted_all_the_same(function: Function):
    function.code(f"""
        {MAIN}
        client = bootstrap.LambdaRuntimeClient
        original = client.post_invocation_error

        def post(self, invoke_id, document, cause, *rest):
            return original(self, invoke_id, "no JSON", cause, *rest)

        client.post_invocation_error = post

        def handler(event, context):
            return 1 / event
    """)
    run = function.run(Event(b"0"), Event(b"1"))
    assert run.answers[0].body == b"no JSON"
    assert run.answers[0].header("Lambda-Runtime-Function-Error-Type") == "Unhandled"
    assert run.answers[1].json() == 1


def test_the_log_that_a_patch_is_handed_writes_to_the_functions_log(function: Function, contender):
    function.code(f"""
        {MAIN}
        original = bootstrap.handle_event_request

        def handle(*args):
            args[10].log("a record\\n")
            args[10].log_error(["first", "second"])
            return original(*args)

        bootstrap.handle_event_request = handle

        def handler(event, context):
            return event
    """)
    run = function.run(Event(), contender=contender)
    assert run.stdout == "a record\nfirst\rsecond\n"


def test_a_handler_can_be_looked_up_by_the_private_name_that_lumigo_uses(
    function: Function, contender
):
    function.write("other.py", "def run(event, context): return [event, __name__]")
    function.code("""
        from awslambdaric.bootstrap import _get_handler

        def handler(event, context):
            return _get_handler("other.run")(event, context)
    """)
    assert function.run(Event(b"1"), contender=contender).result == [1, "other"]


# --- an awslambdaric that is installed beside us ------------------------------------------------


@pytest.fixture
def beside(function: Function, amazons) -> Function:
    """Return a function that has awslambdaric among its packages."""
    shutil.copytree(awslambdaric.folder(), function.root, dirs_exist_ok=True)
    return function


def test_the_installed_one_serves_the_events_if_it_is_the_one_that_was_imported_and_patched(beside):
    beside.code(SPY.format(place=IMPORT) + MANAGED + HANDLER)
    run = beside.run(Event(b'"raise"'), Event(b"1"))
    assert run.document["errorType"] == "ValueError"
    assert [call[0] for call in run.answers[1].json()] == ["post_invocation_error", "handle"]
    assert run.answers[1].header("User-Agent").startswith("aws-lambda-python")


def test_the_installed_one_is_only_asked_while_it_is_patched(beside):
    beside.code("""
        import awslambdaric.bootstrap as bootstrap
        original = bootstrap.handle_event_request

        def handler(event, context):
            if event == "patch":
                bootstrap.handle_event_request = lambda *args: original(*args)
            if event == "restore":
                bootstrap.handle_event_request = original
            return event
    """)
    names = ["leave", "patch", "leave", "restore", "leave"]
    run = beside.run(*(Event(json.dumps(name).encode()) for name in names))
    assert run.results == names
    agents = [answer.header("User-Agent").partition("/")[0] for answer in run.answers]
    assert agents == ["snapboot", *["aws-lambda-python"] * 3, "snapboot"]


def test_a_failed_init_is_posted_by_the_installed_one_if_that_is_patched(beside):
    beside.code(SPY.format(place=IMPORT) + "raise KeyError('TABLE')")
    run = beside.run()
    assert "POSTED" in run.stdout
    assert run.document["errorType"] == "KeyError"
    assert run.returncode == 1


def test_ours_is_what_everybody_finds_if_it_was_asked_for_first(beside):
    beside.code(
        """
        import __main__
        ours = __main__.bootstrap
        import awslambdaric.bootstrap
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
        from awslambdaric.lambda_context import LambdaContext

        def handler(event, context):
            return [
                awslambdaric.bootstrap is ours,
                LambdaRuntimeClient is ours.LambdaRuntimeClient,
                awslambdaric.__file__.startswith(context.root),
            ]
    """.replace("context.root", repr(str(beside.root)))
    )
    assert beside.run(Event()).result == [True, True, True]


def test_a_module_of_the_functions_named_awslambdaric_that_fails_is_no_trouble(function: Function):
    function.write("awslambdaric.py", "raise OSError('broken')")
    function.code(SPY.format(place=MAIN) + HANDLER)
    assert [call[0] for call in function.run(Event()).result] == ["handle"]


# --- at no cost to others -----------------------------------------------------------------------


def test_the_main_module_has_nothing_else_that_it_had_not(function: Function, contender):
    function.code("""
        import sys

        def handler(event, context):
            main = sys.modules["__main__"]
            try:
                main.nothing
            except AttributeError as exc:
                return [str(exc), hasattr(main, "handle_http_request"), "bootstrap" in sys.modules]
    """)
    wanted = ["module '__main__' has no attribute 'nothing'", False, False]
    assert function.run(Event(), contender=contender).result == wanted


def test_the_loop_stays_what_it_was_until_someone_looks_for_the_names(function: Function):
    function.code("""
        import sys
        from snapboot import api, main

        def state():
            return [main._serve.__module__, api.Invocation.succeed.__module__,
                    api.RuntimeAPI.init_error.__module__, "snapboot.aws_names" in sys.modules]

        def handler(event, context):
            before = state()
            if event:
                import __main__
                hasattr(__main__, "bootstrap")
            return [before, state()]
    """)
    plain = ["snapboot.main", "snapboot.api", "snapboot.api", False]
    diverted = ["snapboot.aws_names"] * 3 + [True]
    run = function.run(Event(b"0"), Event(b"1"), Event(b"0"))
    assert run.results == [[plain, plain], [plain, diverted], [diverted, diverted]]
