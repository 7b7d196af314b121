"""botocore's data out of an archive: what its loader gives, for each caller and in each way."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.fakes import boto
from tests.fakes.boto import VARIABLES
from tests.fakes.sealed import ARCHIVE, Scene

# Counts the files with data that are opened, and lists all types that a document is made of.
PROBE = """
import sys

read = []

def hear(event, arguments):
    if event == "open" and str(arguments[0]).endswith((".json", ".json.gz")):
        read.append(str(arguments[0]).rpartition("/data/")[2])
    if event == "os.listdir" and "/data" in str(arguments[0]):
        read.append("folder")

sys.addaudithook(hear)

def types(value):
    if isinstance(value, dict):
        return [type(value).__name__, [[key, types(item)] for key, item in value.items()]]
    if isinstance(value, list):
        return [type(value).__name__, [types(item) for item in value]]
    return [type(value).__name__, value]
"""
CLIENT = "import boto3; client = boto3.client('sqs')"


@pytest.fixture
def aws(scene: Scene) -> Scene:
    """Return a function that has boto3, and a probe of what it reads."""
    boto.place(scene.function.root)
    scene.write("probe.py", PROBE)
    return scene


def same(scene: Scene, *included: str, **environment: str) -> Any:
    return scene.same(*included, **VARIABLES, **environment)


def sealed(scene: Scene, *included: str, **environment: str) -> Any:
    """Return what is seen with an archive alone."""
    document = scene.seal(*included, **VARIABLES, **environment)
    assert document["data"].get("botocore.loaders"), document
    kind, seen = scene.run(**VARIABLES, **environment).result
    assert kind == "ArchiveLoader"
    return seen


def test_a_client_is_made_without_a_look_at_botocores_files(aws: Scene):
    aws.look(f"import probe\n{CLIENT}\ndef look(): return [client.meta.endpoint_url, probe.read]")
    before = aws.run(**VARIABLES).result[1]
    assert "sqs/2012-11-05/service-2.json.gz" in before[1]
    assert "folder" in before[1]
    assert sealed(aws) == [before[0], []]


@pytest.mark.slow
def test_documents_are_equal_down_to_their_types_and_their_order(aws: Scene):
    aws.look(f"""
        import probe
        {CLIENT}
        from botocore.loaders import Loader
        names = ["sqs/2012-11-05/service-2", "sqs/2012-11-05/endpoint-rule-set-1", "endpoints",
                 "partitions", "sdk-default-configuration", "_retry"]

        def look():
            loader = Loader()
            return [probe.types(loader.load_data(name)) for name in names]
    """)
    seen = same(aws)
    assert seen[0][0] == "OrderedDict"


def test_what_was_not_seen_is_read_from_its_file(aws: Scene):
    aws.look(f"""
        import probe
        {CLIENT}

        def look():
            other = boto3.client("dynamodb")
            return [other.meta.service_model.metadata["serviceId"], other.get_waiter("table_exists").name,
                    list(client.get_paginator("list_queues").paginate.__self__.result_keys[0].expression)]
    """)
    same(aws)


def test_a_service_that_is_included_is_sealed_with_all_that_clients_read(aws: Scene):
    aws.look(f"""
        import probe
        {CLIENT}

        def look():
            other = boto3.client("dynamodb")
            waiter, paginator = other.get_waiter("table_exists"), other.get_paginator("list_tables")
            boto3.resource("dynamodb").Table("orders")
            return [other.meta.endpoint_url, waiter.name, str(paginator), probe.read]
    """)
    *seen, read = sealed(aws, "botocore.loaders:dynamodb")
    assert seen[:2] == ["https://dynamodb.eu-west-1.amazonaws.com", "TableExists"]
    assert read == []


def test_services_are_sealed_for_a_function_that_imports_boto3_late(aws: Scene):
    aws.look("""
        import probe

        def look():
            import boto3
            return [boto3.client("s3").meta.endpoint_url, [n for n in probe.read if "s3" in n]]
    """)
    assert sealed(aws, "botocore.loaders:s3")[1] == []


def test_a_service_that_botocore_does_not_have_is_an_error_that_says_so(aws: Scene):
    aws.look("def look(): return 1")
    with pytest.raises(AssertionError, match=r"has no service 'nope'.*--include-service"):
        aws.seal("botocore.loaders:nope")


def test_documents_can_be_changed_and_no_one_else_sees_it(aws: Scene):
    aws.look(f"""
        {CLIENT}
        from botocore.loaders import JSONFileLoader, Loader

        def look():
            one, other = Loader(), Loader()
            first = one.load_service_model("sqs", "service-2")
            first["metadata"]["serviceId"] = "changed"
            first["operations"].clear()
            first.move_to_end("metadata")
            one.list_available_services("service-2").append("mine")
            return [
                one.load_service_model("sqs", "service-2") is first,
                other.load_service_model("sqs", "service-2")["metadata"]["serviceId"],
                len(other.load_service_model("sqs", "service-2")["operations"]),
                one.list_available_services("service-2")[-1],
                other.list_available_services(type_name="service-2"),
                one.list_available_services("service-2") is one.list_available_services("service-2"),
                sorted(map(str, one._cache)), client.meta.service_model.service_id.hyphenize(),
                JSONFileLoader().load_file(Loader.BUILTIN_DATA_PATH + "/endpoints")
                is JSONFileLoader().load_file(Loader.BUILTIN_DATA_PATH + "/endpoints"),
            ]
    """)
    seen = same(aws)
    assert seen[:2] == [True, "SQS"]
    assert seen[3] == "mine"


OTHER_WAYS = {
    "a custom folder": """
        os.makedirs("{other}/mine/2020-01-01", exist_ok=True)
        open("{other}/mine/2020-01-01/service-2.json", "w").write('{{"metadata": {{}}}}')
        loader = Loader(extra_search_paths=["{other}"])
        result = [loader.list_available_services("service-2"),
                  loader.load_service_model("mine", "service-2"),
                  loader.load_service_model("sqs", "service-2")["metadata"]]
    """,
    "a folder in the environment": """
        os.makedirs("{other}/sqs/2030-01-01", exist_ok=True)
        open("{other}/sqs/2030-01-01/service-2.json", "w").write('{{"metadata": {{"own": 1}}}}')
        os.environ["AWS_DATA_PATH"] = "{other}"
        loader = botocore.session.Session().get_component("data_loader")
        result = [loader.list_api_versions("sqs", "service-2"),
                  loader.load_service_model("sqs", "service-2")["metadata"]]
    """,
    "a document that stands before botocore's": """
        os.makedirs("{other}/sqs/2012-11-05", exist_ok=True)
        open("{other}/sqs/2012-11-05/service-2.json", "w").write('{{"metadata": {{"own": 1}}}}')
        result = Loader(extra_search_paths=["{other}"]).load_data("sqs/2012-11-05/service-2")
    """,
    "a reader of its own": """
        class Reader(JSONFileLoader):
            def _load_file(self, path, method):
                data = super()._load_file(path, method)
                return data and {{"read": path.rpartition("/")[2]}}
        result = Loader(file_loader=Reader()).load_data("endpoints")
    """,
    "a loader with a search of its own": """
        class Nowhere(Loader):
            def _potential_locations(self, name=None, must_exist=False, is_dir=False):
                return iter(())
        result = Nowhere().list_available_services("service-2")
    """,
    "a loader with paths of its own": """
        class Own(Loader):
            @property
            def search_paths(self):
                return []
        try:
            result = Own().load_data("endpoints")
        except Exception as exc:
            result = [type(exc).__name__, str(exc)]
    """,
    "a patched reader": """
        with patch.object(JSONFileLoader, "load_file", lambda self, path: {{"patched": 1}}):
            result = [Loader().load_data("endpoints")]
        with patch.object(JSONFileLoader, "_load_file", lambda self, path, method: {{"patched": 2}}):
            result.append(Loader().load_data("endpoints"))
        with patch.object(JSONFileLoader, "exists", lambda self, path: path.endswith("s3/2006-03-01/service-2")):
            result.append(Loader().list_available_services("service-2"))
        result.append(len(Loader().load_data("endpoints")))
    """,
    "one patched object": """
        loader = Loader()
        loader.file_loader.exists = lambda path: False
        result = [loader.list_available_services("service-2")]
        loader.file_loader._load_file = lambda path, method: {{"patched": path.rpartition("/")[2]}}
        result.append(loader.load_data("endpoints"))
        wrapped = Loader.load_data
        with patch.object(Loader, "load_data", lambda self, name: [name, len(wrapped(self, name))]):
            result.append(Loader().load_data("endpoints"))
    """,
    "a patched module": """
        with patch("json.loads", lambda text, **options: {{"length": len(text)}}):
            result = [Loader().load_data("partitions")]
        with patch("os.path.isfile", lambda path: False):
            result.append(Loader().list_available_services("service-2"))
        with patch("builtins.open", side_effect=PermissionError("no")):
            try:
                Loader().load_data("_retry")
            except PermissionError as exc:
                result.append(str(exc))
    """,
    "what is not there": """
        result = []
        for call in (lambda: Loader().load_service_model("nope", "service-2"),
                     lambda: Loader().load_data("nope"), lambda: Loader().load_data(7),
                     lambda: Loader().list_api_versions("nope", "service-2"),
                     lambda: Loader().determine_latest_version("sqs", "nope-1"),
                     lambda: Loader().list_available_services("nope-1")):
            try:
                result.append(call())
            except Exception as exc:
                result.append([type(exc).__name__, str(exc)])
    """,
    "the path and the log": """
        records = []
        class Handler(logging.Handler):
            def emit(self, record):
                records.append([record.name, record.levelname, record.getMessage()])
        logging.getLogger("botocore.loaders").addHandler(Handler())
        logging.getLogger("botocore.loaders").setLevel("DEBUG")
        data, path = Loader().load_data_with_path("endpoints")
        result = [path, Loader().is_builtin_path(path), records]
    """,
    "the module once more": """
        importlib.reload(botocore.loaders)
        loader = botocore.loaders.Loader()
        result = [loader.list_available_services("service-2"), len(loader.load_data("endpoints"))]
    """,
}


QUICK_WAYS = ("a patched module", "what is not there")
ALL_WAYS = [
    pytest.param(way, id=name, marks=() if name in QUICK_WAYS else pytest.mark.slow)
    for name, way in OTHER_WAYS.items()
]


@pytest.mark.parametrize("way", ALL_WAYS)
def test_every_other_way_to_data_leads_where_it_did(aws: Scene, way, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    body = way.format(other=other)
    aws.look(
        "import importlib, logging, os\nfrom unittest.mock import patch\nimport boto3, botocore.session\n"
        "import botocore.loaders\nfrom botocore.loaders import JSONFileLoader, Loader\n"
        "client = boto3.client('sqs')\nclient_of_s3 = boto3.client('s3')\n\ndef look():\n"
        + "\n".join(f"    {line.removeprefix('        ')}" for line in body.splitlines())
        + "\n    return result\n"
    )
    assert same(aws) is not None


def test_a_client_registers_its_handlers_without_a_look_at_their_signatures(aws: Scene):
    aws.look("""
        import sys
        import boto3

        called = []
        sys.setprofile(lambda frame, event, arg: event == "call" and called.append(frame.f_code.co_name))
        boto3.client("sqs")
        sys.setprofile(None)

        def look():
            return called.count("getfullargspec")
    """)
    assert aws.run(**VARIABLES).result[1] > 100
    assert sealed(aws) < 10


def test_events_and_handlers_are_what_they_are_without_an_archive(aws: Scene):
    aws.look("""
        import functools, inspect, logging
        from unittest.mock import patch
        import boto3, botocore.hooks
        from botocore.hooks import EVENT_ALIASES, EventAliaser, HierarchicalEmitter

        client = boto3.client("sqs")
        names = sorted(client.meta.events._alias_name_cache)
        client.meta.events._alias_name_cache["a.b"] = "changed by hand"  # which stays its own
        torn = object.__new__(EventAliaser)
        class Doubling(dict):
            def items(self): return ((name, new * 2) for name, new in super().items())
        names += ["", "before-call.apigateway.x", "a.s3.cloudsearchdomain", "new.name.sqs"]

        def plain(event_name=None): pass
        def takes(event_name=None, **kwargs): pass
        def said(**kwargs): pass
        said.__signature__ = inspect.signature(plain)
        @functools.wraps(plain)
        def wraps(**kwargs): pass

        class Handlers:
            def takes(self, **kwargs): pass
            def plain(self): pass
            def none(): pass
            def __call__(self, **kwargs): pass

        class Own(EventAliaser):
            def _replace_subsection(self, sections, old_parts, new_part):
                sections[:] = ["own"]

        def outcome(call, *arguments):
            try:
                return [repr(call(*arguments)).partition(" at 0x")[0]]
            except Exception as exc:
                return [type(exc).__name__, str(exc).partition(" at 0x")[0]]

        def look():
            records, one = [], Handlers()
            handlers = [plain, takes, said, wraps, one.takes, one.plain, one.none, one, int, 7,
                        functools.partial(takes), functools.partial(plain), lambda **k: 1, print]
            aliasers = [EventAliaser(HierarchicalEmitter()), Own(HierarchicalEmitter()),
                        EventAliaser(HierarchicalEmitter(), {}),
                        EventAliaser(HierarchicalEmitter(), Doubling(EVENT_ALIASES)),
                        EventAliaser(HierarchicalEmitter(), dict(reversed(EVENT_ALIASES.items())))]
            seen = [[outcome(each._alias_event_name, name) for name in [*names, "a.b", 7, None, []]]
                    for each in aliasers]
            seen.append([outcome(aliasers[0].register, "a.b", each) for each in handlers])
            with patch("botocore.hooks.accepts_kwargs", lambda func: False):
                seen.append(outcome(aliasers[0].register, "a.b", takes))
            with patch.dict(EVENT_ALIASES, {"sqs": "changed"}):
                seen.append([EventAliaser(None)._alias_event_name(name) for name in names])
            logger = logging.getLogger("botocore.hooks")
            logger.setLevel("DEBUG")
            logger.addFilter(lambda record: records.append(record.getMessage()))
            seen += [[EventAliaser(None)._alias_event_name(name) for name in names], records]
            return seen
    """)
    assert same(aws)[-1]


def test_a_loader_that_is_patched_before_it_is_packaged_has_nothing_sealed(aws: Scene):
    aws.look("""
        import botocore.loaders
        original = botocore.loaders.JSONFileLoader.load_file
        botocore.loaders.JSONFileLoader.load_file = lambda self, path: original(self, path)
        import boto3
        boto3.client("sqs")
        def look(): return 1
    """)
    document = aws.seal(**VARIABLES)
    assert "botocore.loaders" not in document["data"]
    assert "botocore" in document["left_out"]["data for botocore.loaders"]
    assert aws.run(**VARIABLES).result == ["ArchiveLoader", 1]


def test_an_older_botocore_without_compressed_files_is_sealed_too(aws: Scene):
    data = aws.function.root / "botocore/data"
    for path in data.rglob("*.json.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    loaders = aws.function.root / "botocore/loaders.py"
    text = loaders.read_text().replace("if HAS_GZIP:", "if False:")
    loaders.write_text(text)
    aws.look(f"import probe\n{CLIENT}\ndef look(): return [client.meta.endpoint_url, probe.read]")
    assert sealed(aws)[1] == []


def test_a_damaged_document_is_read_from_its_file_with_one_warning(aws: Scene):
    aws.look(f"import probe\n{CLIENT}\ndef look(): return [client.meta.endpoint_url, probe.read]")
    expected = sealed(aws)[0]
    archive = aws.function.root / ARCHIVE
    content = archive.read_bytes()
    assert content.count(b"AmazonSQS") > 0
    at = content.rindex(b"Amazon SQS")
    archive.write_bytes(content[:at] + b"#" + content[at + 1 :])
    run = aws.run(**VARIABLES)
    assert run.result[1][0] == expected
    (warning,) = [line for line in (run.stdout + run.stderr).splitlines() if line]
    assert "sqs/2012-11-05/service-2.json.gz" in warning
    assert "is not used" in warning


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(aws: Scene):
    aws.look(f"{CLIENT}\ndef look(): return 1")
    archives = []
    for _ in range(2):
        aws.seal(**VARIABLES)
        archives.append((aws.function.root / ARCHIVE).read_bytes())
    assert archives[0] == archives[1]


def test_a_function_without_botocore_has_no_data(scene: Scene):
    scene.look("import sys\ndef look(): return [n for n in sys.modules if n.endswith('_data')]")
    assert scene.seal()["data"] == {}
    assert scene.run().result == ["ArchiveLoader", []]


# --- all of botocore ------------------------------------------------------------------------------

SERVICES = sorted(
    path.name for path in (boto.installed("botocore") / "data").iterdir() if path.is_dir()
)
PARTS = 12


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_document_of_every_service_is_what_the_loader_makes_of_its_file(scene: Scene, part):
    services = SERVICES[part::PARTS]
    boto.place(scene.function.root, services)
    scene.write("probe.py", PROBE)
    scene.look(f"""
        import json, gzip
        from collections import OrderedDict
        import boto3, botocore.loaders, probe
        from botocore.loaders import Loader

        def parsed(path):
            method = gzip.open if path.endswith(".gz") else open
            with method(path, "rb") as file:
                return json.loads(file.read().decode(), object_pairs_hook=OrderedDict)

        def look():
            probe.read.clear()
            loader, differing, found = Loader(), [], {{}}
            for service in {services}:
                for kind in ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2"):
                    if service in loader.list_available_services(kind):
                        name = f"{{service}}/{{loader.determine_latest_version(service, kind)}}/{{kind}}"
                        found[name] = Loader().load_data(name)
            assert probe.read == [], probe.read
            for name, document in found.items():
                path = f"{{Loader.BUILTIN_DATA_PATH}}/{{name}}.json"
                try:
                    expected = parsed(path + ".gz")
                except FileNotFoundError:
                    expected = parsed(path)
                if repr(document) != repr(expected):  # with all types, in order
                    differing.append(name)
            return [len(found), differing]
    """)
    count, differing = sealed(scene, *(f"botocore.loaders:{name}" for name in services))
    assert count >= 2 * len(services)
    assert differing == []


REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1", "cn-north-1")


@pytest.mark.slow
def test_clients_of_fifty_services_in_five_regions_have_the_same_endpoints(scene: Scene):
    """Custom regions, FIPS and dual stack, paginators, waiters and a signed request among them."""
    services = [*dict.fromkeys(["s3", "sqs", "dynamodb", "sts", "lambda", *SERVICES[::8]])][:50]
    assert len(services) == 50
    boto.place(scene.function.root, services)
    scene.look(f"""
        import boto3
        from botocore.config import Config

        options = [Config(), Config(use_fips_endpoint=True), Config(use_dualstack_endpoint=True)]
        first = boto3.client("s3"), boto3.client("sqs")

        def described(service, region, config):
            try:
                client = boto3.client(service, region_name=region, config=config)
                return [
                    client.meta.endpoint_url, client.waiter_names, client.meta.region_name,
                    sorted(client.meta.method_to_api_mapping),
                    [n for n in client.meta.method_to_api_mapping if client.can_paginate(n)][:3],
                ]
            except Exception as exc:
                return [type(exc).__name__, str(exc)]

        def look():
            seen = [
                described(service, region, options[number % 3])
                for service in {services}
                for number, region in enumerate({(*REGIONS, "mars-1")})
            ]
            signed = first[0].generate_presigned_url("get_object", {{"Bucket": "b", "Key": "k"}})
            session = boto3.Session()
            return [seen, signed.partition("?")[0], session.get_available_services(),
                    session.get_available_regions("dynamodb"), session.get_available_partitions()]
    """)
    seen = same(scene, *(f"botocore.loaders:{name}" for name in services))
    assert len(seen[0]) == 300


# What a client sends, and what it makes of an empty answer, with what no two runs have in common
# left out.
EXCHANGE = """
import io

from botocore.awsrequest import AWSResponse
from botocore.session import get_session

VARYING = {"authorization", "x-amz-date", "amz-sdk-invocation-id", "date"}

class Raw(io.BytesIO):
    def stream(self, **options):
        yield self.read()

def sample(shape, depth=0):
    kind = shape.type_name
    if kind == "structure":
        return {name: sample(shape.members[name], depth + 1) for name in shape.required_members}
    if kind == "list":
        return [sample(shape.member, depth + 1)]
    if kind == "map":
        return {"key": sample(shape.value, depth + 1)}
    if kind == "string":
        enum = shape.metadata.get("enum")
        return enum[0] if enum else "x" * max(3, shape.metadata.get("min", 0))
    plain = {"boolean": True, "blob": b"x", "timestamp": 0}
    return plain.get(kind, shape.metadata.get("min", 1))

def exchange(client):
    seen = []

    def answer(request, **rest):
        headers = sorted((k.lower(), str(v)) for k, v in request.headers.items()
                         if k.lower() not in VARYING)
        seen.append([request.method, request.url, headers, repr(request.body)])
        body = b"{}" if "json" in client.meta.service_model.metadata["protocol"] else b"<a><b/></a>"
        return AWSResponse(request.url, 200, {}, Raw(body))

    client.meta.events.register("before-send", answer)
    return seen

def outcome(call):
    try:
        return repr(call())
    except Exception as exc:
        return [type(exc).__name__, str(exc)]

def used(client):
    seen, results = exchange(client), []
    names = client.meta.method_to_api_mapping
    model = client.meta.service_model
    shapes = {name: model.operation_model(names[name]).input_shape for name in sorted(names)}
    for name in [n for n in shapes if client.can_paginate(n)][:3]:
        values = sample(shapes[name]) if shapes[name] else {}
        paginator = client.get_paginator(name)
        size = {"PageSize": 50} if paginator._limit_key else {}
        pages = paginator.paginate(**values, PaginationConfig={"MaxItems": 500, **size})
        results.append([name, str([key.expression for key in paginator.result_keys])])
        results.append([name, outcome(lambda: [list(pages), pages.build_full_result()])])
    for name in client.waiter_names[:3]:
        waiter = client.get_waiter(name)
        shape = model.operation_model(waiter.config.operation).input_shape
        once = {"MaxAttempts": 1, "Delay": 0}
        values = sample(shape) if shape else {}
        results.append([name, outcome(lambda: waiter.wait(**values, WaiterConfig=once))])
    return [client.meta.endpoint_url, seen, results]
"""
USED = (
    *("s3", "sqs", "dynamodb", "sns", "lambda", "ec2", "iam", "sts", "rds", "ecs", "ecr", "kms"),
    *("ssm", "kinesis", "logs", "cloudwatch", "cloudformation", "elbv2", "acm", "glue"),
)


@pytest.mark.slow
def test_twenty_services_paginators_and_waiters_send_and_give_the_same(scene: Scene):
    """By regions, FIPS, dual stack and an address of one's own."""
    boto.place(scene.function.root, USED)
    scene.write("exchange.py", EXCHANGE)
    scene.look(f"""
        import boto3
        import exchange
        from botocore.config import Config

        first = boto3.client("s3")
        ways = [
            dict(region_name="us-east-1", config=Config(use_fips_endpoint=True)),
            dict(region_name="ap-southeast-2", config=Config(use_dualstack_endpoint=True)),
            dict(region_name="cn-north-1"),
            dict(region_name="mars-1", endpoint_url="http://localhost:4566/base"),
        ]

        def look():
            return [exchange.used(boto3.client(service, **way)) for service in {USED} for way in ways]
    """)
    included = [f"botocore.loaders:{name}" for name in USED]
    seen = same(scene, *included, PYTHONHASHSEED="0")  # the user agent lists what is in a set
    assert len(seen) == 4 * len(USED) == 80
    assert sum(len(requests) for _, requests, _ in seen) > 300
    assert sum(type(result) is str for *_, results in seen for _, result in results) > 150
