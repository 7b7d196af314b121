"""The container image base: built for real on several bases, and run as Lambda runs an image."""

from __future__ import annotations

import _imp
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from oracles.images import BuildError
from tests.shipping import bases
from tests.shipping.bases import VERSION
from tests.shipping.images import OWN
from tests.shipping.rooted import DEADLINE_S, GID, UID, Rooted, entering, first_inside

if TYPE_CHECKING:
    from oracles.images import Image
    from tests.shipping.images import Images

pytestmark = pytest.mark.slow

# Bases, and whether pip is kept.
KINDS: Final = {
    "debian": (bases.debian, {"KEEP_PIP": "0"}),
    "slim": (bases.slim, {"KEEP_PIP": "1"}),
    "amazon": (bases.amazon, {"PYTHON_VERSION": VERSION}),
}
# In no image, whatever it is for; each pattern is looked for in the whole of it.
UNWANTED: Final = (
    *("**/python3.*/test", "**/python3.*/*/test", "**/python3.*/*/tests", "**/idlelib"),
    *("**/tkinter", "**/_tkinter*", "**/turtledemo", "**/lib2to3", "**/pydoc_data"),
    *("**/lib-dynload/_test*", "**/bin/idle*", "**/bin/2to3*", "**/bin/pydoc*"),
    *("root/.cache", "tmp/*", "var/tmp/*", "var/lib/apt/lists/*", "**/archives/*.deb"),
    *("usr/share/man", "usr/share/info", "snapboot-image", "var/log/*.log"),
    *("**/sitecustomize.py", "var/runtime/.devkit/snapboot_devkit/cli"),
)
# In none without pip.
INSTALLERS: Final = (
    *("**/ensurepip", "**/pip", "**/pip3*", "**/setuptools", "**/pkg_resources", "**/wheel"),
    *("**/distutils-precedence.pth", "**/config-3*", "**/include/python3*"),
)
# The flags of bytecode that is used as it is (PEP 552).
UNCHECKED_HASH: Final = b"\1\0\0\0"
ECHO: Final = """
    import os, sys

    def handler(event, context):
        return event
"""
SERVED: Final = re.compile(r"(\S+) is served at http://0\.0\.0\.0:(\d+)/\S+/invocations\n")
INVOKE: Final = "/2015-03-31/functions/function/invocations"


@pytest.fixture(scope="module", params=KINDS)
def image(request, image_store) -> Image:
    kind, arguments = KINDS[request.param]
    return image_store.snapboot(kind, **arguments)


@pytest.fixture
def function(tmp_path):
    """Return what writes a function, and returns the places in the root that it has."""
    folder = tmp_path / "task"
    folder.mkdir(mode=0o755)
    tmp_path.chmod(0o755)

    def write(code: str, name: str = "app.py") -> dict[str, Path]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(code))
        return {"/var/task": folder}

    return write


def emulated(image: Image, handler: str = "app.handler", places=None, **variables: str) -> Rooted:
    """Run an image under AWS's emulator, as Lambda does: `_HANDLER` is not set."""
    return Rooted(
        image.root,
        handler,
        places=places,
        command=image.config["Entrypoint"],
        variables={**image.environment, "_HANDLER": "", **variables},
    )


# --- what is in it ----------------------------------------------------------------------------


def test_its_configuration_is_that_of_a_base_image_of_lambda(image):
    config = image.config
    assert config["Labels"]["com.amazonaws.lambda.feature.snapstart"] == "Allow"
    assert config["WorkingDir"] == "/var/task"
    assert image.command() == ["/var/runtime/bootstrap", "app.handler"]
    # A function's Dockerfile may have to install something.
    assert not config.get("User")
    environment = image.environment
    assert environment["LAMBDA_TASK_ROOT"] == "/var/task"
    assert environment["LAMBDA_RUNTIME_DIR"] == "/var/runtime"
    assert environment["SNAPBOOT_LISTEN"] == "0.0.0.0:8080"
    assert environment["PATH"].startswith("/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin")
    assert environment["LD_LIBRARY_PATH"].endswith("/var/task:/var/task/lib:/opt/lib")
    assert (environment["LANG"], environment["TZ"]) == ("en_US.UTF-8", ":/etc/localtime")


def test_every_module_has_bytecode_that_is_used_without_a_look_at_the_source(image):
    modules = {path for path in image.root.rglob("*.py") if not path.is_symlink()}
    assert len(modules) > 600
    compiled = {path: bytecode_of(path, version_of(image)) for path in modules}
    assert [path for path, target in compiled.items() if not target.is_file()] == []
    heads = {path: target.read_bytes()[:16] for path, target in compiled.items()}
    assert len({head[:4] for head in heads.values()}) == 1
    assert {head[4:8] for head in heads.values()} == {UNCHECKED_HASH}
    assert [path for path, head in heads.items() if head[8:] != source_hash(path, head[:4])] == []
    # And nothing else is among the bytecode: of another version, say, or of what was removed.
    assert set(image.root.rglob("*.pyc")) - set(compiled.values()) == set()


def version_of(image: Image) -> str:
    """Return the version of the interpreter that starts the runtime."""
    first_line = (image.root / "var/runtime/bootstrap").read_text().partition("\n")[0]
    return re.fullmatch(r"#!/usr/(?:local/)?bin/python(3\.\d+) -SsP", first_line)[1]


def bytecode_of(module: Path, version: str) -> Path:
    tag = f"cpython-{version.replace('.', '')}"
    return module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"


def source_hash(module: Path, magic: bytes) -> bytes:
    return _imp.source_hash(int.from_bytes(magic, "little"), module.read_bytes())


def test_nothing_is_in_it_that_no_function_needs(image):
    assert [str(path) for pattern in UNWANTED for path in image.root.glob(pattern)] == []


def test_pip_is_in_it_when_it_was_to_be_kept_alone(image):
    kept = "keep_pip-1" in image.name
    found = [str(path) for pattern in INSTALLERS for path in image.root.glob(pattern)]
    if kept:
        assert list(image.root.glob("usr/local/lib/python3.*/ensurepip"))
    else:
        assert found == []


def test_what_was_removed_is_in_no_layer(image, image_store):
    assert image_store.store.layers(image.name) == 1


def test_everybody_may_read_the_runtime_and_start_it(image):
    runtime = image.root / "var/runtime"
    files = [path for path in runtime.rglob("*") if not path.is_symlink()]
    assert [path for path in files if path.stat().st_mode & 0o444 != 0o444] == []
    assert (runtime / "bootstrap").stat().st_mode & 0o111 == 0o111


# --- as Lambda runs it ------------------------------------------------------------------------


def test_an_unprivileged_user_on_a_read_only_root_is_all_it_takes(image, function):
    places = function("""
        import os, sys, tempfile
        import orjson, urllib3, snapshot_restore_py

        def handler(event, context):
            try:
                open("/var/task/new", "w")
            except OSError as exc:
                refused = exc.errno
            with tempfile.TemporaryFile() as file:
                file.write(b"kept")
            return {
                "event": event,
                "ids": [os.getuid(), os.getgid()],
                "refused": refused,
                "homes": [orjson.__file__, urllib3.__file__, sys.path[0], sys.path[-1]],
                "cached": [
                    name for name, module in sys.modules.items()
                    if getattr(module, "__cached__", None)
                    and not os.path.exists(module.__cached__)
                ],
            }
    """)
    with emulated(image, places=places) as emulator:
        answer = json.loads(emulator.invoke(b'{"n": 1}').body)
        assert answer["event"] == {"n": 1}
        assert answer["ids"] == [UID, GID]
        assert answer["refused"] == 30  # EROFS
        own = "/var/runtime"
        assert answer["homes"][:2] == [f"{own}/orjson/__init__.py", f"{own}/urllib3/__init__.py"]
        assert answer["homes"][2:] == ["/var/task", own]
        # Only the function's own module has not been compiled.
        assert [name for name in answer["cached"] if name != "app"] == []
        assert "Traceback" not in emulator.log()


def test_a_functions_own_packages_win_over_the_runtimes(image, function):
    function("MINE = True", "orjson.py")
    function("MINE = True", "urllib3/__init__.py")
    places = function("""
        import orjson, urllib3

        def handler(event, context):
            return [orjson.MINE, urllib3.MINE]
    """)
    with emulated(image, places=places) as emulator:
        assert emulator.invoke().body == b"[true,true]"


def test_what_the_devkit_needs_is_not_to_be_found_by_a_function(image, function):
    places = function("""
        import importlib.util

        def handler(event, context):
            names = ("h11", "msgspec", "snapboot_devkit", "finish", "ballast", "bootstrap")
            return [name for name in names if importlib.util.find_spec(name)]
    """)
    with emulated(image, places=places) as emulator:
        assert emulator.invoke().body == b"[]"


def test_without_an_argument_the_platforms_handler_is_served(image, function):
    """As a customer-managed runtime may be started: by its path alone."""
    places = function(ECHO, "other.py")
    program = {"bootstrap": "/var/runtime/bootstrap"}
    assert program["bootstrap"] == image.config["Entrypoint"][0]
    with Rooted(
        image.root, "other.handler", places=places, variables=image.environment
    ) as emulator:
        assert emulator.invoke(b'"whole"').body == b'"whole"'


# --- as it runs by hand -----------------------------------------------------------------------


class Container:
    """What `docker run IMAGE ARGUMENTS` does, at a free port. Use it by `with`."""

    def __init__(self, image: Image, *arguments: str, places=None, **variables: str) -> None:
        environment = {**image.environment, "SNAPBOOT_LISTEN": "0.0.0.0:0", **variables}
        command = [*entering(image.root, places), *image.command(*arguments)]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        self.line = self.process.stderr.readline()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    @property
    def served(self) -> re.Match[str]:
        served = SERVED.fullmatch(self.line)
        assert served, self.line
        return served

    @property
    def port(self) -> int:
        return int(self.served[2])

    def invoke(self, event: bytes, host: str = "localhost:9000") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("POST", INVOKE, event, {"Host": host})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


def test_by_hand_it_serves_the_function_and_says_where(image, function):
    with Container(image, "other.handler", places=function(ECHO, "other.py")) as container:
        assert container.served[1] == "other.handler"
        assert container.invoke(b'{"n": 1}') == (200, b'{"n":1}')
        # By the address of the machine that the container's port is published at, too.
        assert container.invoke(b"2", "192.0.2.1:9000") == (200, b"2")
        status, body = container.invoke(b"3", "attacker.example")
        assert status == 403
        assert b"attacker.example" in body


def test_names_that_are_allowed_may_be_called_by(image, function):
    allowed = {"SNAPBOOT_ALLOW_HOSTS": "function, host.docker.internal"}
    with Container(image, places=function(ECHO), **allowed) as container:
        assert container.invoke(b"1", "function:8080") == (200, b"1")
        assert container.invoke(b"2", "host.docker.internal:9000") == (200, b"2")
        assert container.invoke(b"3", "other:8080")[0] == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_first_process_of_a_container_at_once(image, function, number):
    with Container(image, places=function(ECHO)) as container:
        assert container.invoke(b"1") == (200, b"1")
        os.kill(first_inside(container.process), number)
        _, log = container.process.communicate(timeout=DEADLINE_S)
        assert container.process.returncode == 0
    assert "REPORT RequestId: " in log
    assert "Traceback" not in log


# --- on top of it -----------------------------------------------------------------------------


def function_image(image_store: Images, kind: str, folder: Path, *lines: str) -> Image:
    """Build a function whose handler returns its event, with more lines in its Dockerfile."""
    base = image_store.snapboot(KINDS[kind][0], **KINDS[kind][1])
    (folder / "app.py").write_text(textwrap.dedent(ECHO))
    beginning = f"FROM localhost/{base.name}", "COPY app.py ${LAMBDA_TASK_ROOT}/"
    (folder / "Dockerfile").write_text("\n".join([*beginning, *lines, ""]))
    return image_store.build(f"{folder.name}-{kind}".lower(), folder)


def test_a_functions_dockerfile_is_two_lines(image_store, tmp_path):
    image = function_image(image_store, "debian", tmp_path)
    assert image.command() == ["/var/runtime/bootstrap", "app.handler"]
    with emulated(image) as emulator:
        assert emulator.invoke(b'"as it came"').body == b'"as it came"'
    with Container(image) as container:
        assert container.invoke(b'"as it came"') == (200, b'"as it came"')


def test_a_sealed_function_compiles_nothing_at_its_start(image_store, tmp_path):
    image = function_image(image_store, "slim", tmp_path, "RUN snapboot-seal app.handler")
    assert (image.root / "var/task/snapboot.modules").is_file()
    with emulated(image) as emulator:
        assert emulator.invoke(b"1").body == b"1"
        assert emulator.log() == ""


def test_a_functions_dockerfile_can_use_pip_when_it_was_kept(image_store, tmp_path):
    # The interpreter was moved, which its `pip` does not know.
    install = "python3 -m pip install --target ${LAMBDA_TASK_ROOT} " + OWN[0]
    secret = "--mount=type=secret,id=pip.conf PIP_CONFIG_FILE=/run/secrets/pip.conf"
    more = "RUN echo 'import urllib3; handler = lambda *_: urllib3.__version__' > own.py"
    image = function_image(image_store, "slim", tmp_path, f"RUN {secret} {install}", more)
    with emulated(image, "own.handler") as emulator:
        assert emulator.invoke().body == b'"1.26.20"'


def test_what_the_packager_makes_for_an_image_is_built_and_answers(image_store, tmp_path):
    base = image_store.snapboot(KINDS["slim"][0], **KINDS["slim"][1])
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text(textwrap.dedent(ECHO))
    options = ("--handler", "app.handler", "--as", "image", "--output", tmp_path / "made")
    subprocess.run(
        [sys.executable, "-m", "snapboot_devkit", "package", source, *options],
        check=True,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    context = tmp_path / "made/image"
    image = image_store.build("packaged", context, BASE=f"localhost/{base.name}")
    assert (image.root / "var/task/snapboot.modules").is_file()
    with emulated(image) as emulator:
        assert emulator.invoke(b"[1]").body == b"[1]"
        assert emulator.log() == ""


# --- bases that will not do -------------------------------------------------------------------

# What the step says is not looked for: buildah may lose the last words of one that ends at once.
REFUSED: Final = r'building at STEP "RUN sh /snapboot-image/provide-python\.sh .*exit status 1'


def test_a_base_without_a_python_ends_the_build_at_its_beginning(image_store):
    with pytest.raises(BuildError, match=REFUSED):
        image_store.snapboot(bases.bare)


def test_a_version_that_amazon_linux_does_not_have_ends_it_there_too(image_store):
    with pytest.raises(BuildError, match=REFUSED):
        image_store.snapboot(bases.amazon, PYTHON_VERSION="3.99")
