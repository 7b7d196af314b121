"""`snapboot package`: a source folder becomes a zip, a zip and a layer, or an image's folder."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from snapboot_devkit.cli import arguments, exits, printing
from snapboot_devkit.cli.progress import Stages
from snapboot_devkit.host.streams import STDERR, STDOUT, write_all
from snapboot_devkit.package import repeated, store
from snapboot_devkit.package.errors import MissingHandlerError
from snapboot_devkit.package.layout import LAYER_ZIP, Form
from snapboot_devkit.package.request import IMPORT_LIMIT_S, Extra, Lazy, PackageRequest
from snapboot_devkit.package.store import Store
from snapboot_devkit.package.target import Architecture, Libc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from snapboot_devkit.cli.parser import Parser
    from snapboot_devkit.package.audit import Finding
    from snapboot_devkit.package.elf_facts import ElfFacts
    from snapboot_devkit.package.request import Packaged

PROVIDED: Final = "provided.al2023"
_MANAGED: Final = re.compile(r"python(3\.\d{1,2})")
_OWN_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument(
        "source",
        type=Path,
        nargs="?",
        help="The folder of the function's code; not for a wrapper layer.",
    )
    parser.option("--handler", "The function that Lambda calls, as module.function.")
    parser.choice("--as", "What to make.", Form, dest="form", required=True)
    parser.option("--output", "The folder to put it in.", type=Path, required=True)
    parser.option(
        "--python",
        "The version, which uv downloads, or the folder of a relocatable interpreter; for a "
        "wrapper layer several versions, separated by commas.",
        metavar="VERSION|FOLDER",
        default=_OWN_VERSION,
    )
    parser.choice(
        "--arch", "The function's architecture.", Architecture, default=Architecture.X86_64
    )
    parser.choice("--libc", "The C library of the image's base.", Libc, default=Libc.GLIBC)
    parser.option(
        "--runtime",
        "The function's runtime: provided.al2023, or one of AWS's own such as python3.13, which "
        "takes a zip without interpreter.",
        default=PROVIDED,
    )
    parser.option(
        "--requirements",
        "The requirements; by default the source's requirements.txt, uv.lock or pyproject.toml.",
        type=Path,
    )
    parser.flag(
        "--managed-packages",
        "Add packages that the code imports and only AWS's managed runtimes have, such as boto3.",
    )
    parser.flag("--build-sdists", "Build packages that have no wheel, which runs their code here.")
    parser.several(
        "--include",
        "A module for the archive that is imported late; MODULE.* takes all below it.",
        metavar="MODULE",
    )
    parser.several(
        "--include-service",
        "An AWS service, such as dynamodb, whose boto3 data goes into the archive; that of clients "
        "that are made while the handler is imported is always there.",
        metavar="NAME",
    )
    parser.choice(
        "--lazy",
        "guided: imports that neither the handler's import nor any --event needs wait for their "
        "first use.",
        Lazy,
    )
    parser.several(
        "--event",
        "An event that the handler handles here, as JSON in a file, for --lazy guided to see what "
        "it uses; may be repeated.",
        metavar="FILE",
    )
    parser.several(
        "--env",
        "A variable the handler needs while it is imported; the function does not get it, but --as "
        "image writes it into the Dockerfile.",
        metavar="K=V",
    )
    parser.several(
        "--env-file",
        "A file with such variables, as of `snapboot invoke`; may be repeated.",
        type=Path,
    )
    parser.several(
        "--layer",
        "A layer of the function, a folder or a zip, at /opt while the handler is imported; it is "
        "not packaged. May be repeated.",
        type=Path,
    )
    parser.option(
        "--import-timeout",
        "How many seconds the handler's import may take.",
        type=float,
        default=IMPORT_LIMIT_S,
        metavar="SECONDS",
    )
    parser.flag("--no-archive", "Make no module archive; import nothing here.")
    parser.flag(
        "--require-archive",
        "Fail if the handler cannot be imported here, instead of making no archive.",
    )
    parser.flag("--no-interpreter", "Leave out interpreter and runtime (zip only).")
    parser.flag(
        "--allow-newer-glibc", "Accept files that need a newer glibc than Amazon Linux has."
    )
    parser.choice(
        "--with",
        "A package for the wrapper layer; may be repeated.",
        Extra,
        dest="extra",
        action="append",
        default=[],
    )
    parser.several(
        "--keep",
        "A file of the source to include although it may hold secrets, such as a key.",
        metavar="FILE",
    )
    parser.flag("--no-cache", "Make everything again, and store nothing for later.")
    parser.flag(
        "--strip",
        "Remove what never runs: tests and type stubs of libraries, debug sections, bytecode "
        "that is in the archive as well.",
    )
    parser.flag("--json", "Print one JSON object.", dest="as_json")


def run(  # noqa: PLR0913 - each is something that is typed
    source: Path | None,
    *,
    handler: str | None,
    form: Form,
    output: Path,
    python: str,
    arch: Architecture,
    libc: Libc,
    runtime: str,
    requirements: Path | None,
    managed_packages: bool,
    build_sdists: bool,
    include: list[str],
    include_service: list[str],
    lazy: Lazy | None,
    event: list[str],
    env: list[str],
    env_file: list[Path],
    layer: list[Path],
    import_timeout: float,
    no_archive: bool,
    require_archive: bool,
    no_interpreter: bool,
    allow_newer_glibc: bool,
    extra: list[Extra],
    keep: list[str],
    no_cache: bool,
    strip: bool,
    as_json: bool,
) -> int:
    """Make a deployment package: code, dependencies, bytecode, module archive, interpreter.

    To find what belongs in the module archive, the handler is imported: its code, and that of its
    dependencies, run on this machine, with your permissions; with --lazy guided it handles each
    --event as well. --no-archive imports nothing.

    The report goes to standard output, stages and warnings to standard error. Exits with 2 when
    the package cannot be made, and with 130 when a signal ends it; then nothing of it is left.
    """
    if form is Form.WRAPPER_LAYER:
        _make_wrapper_layer(source, handler, output, python, extra, as_json=as_json)
        return 0
    source, handler = _required(form, source, handler, extra)
    managed = _managed(runtime)
    request = PackageRequest(
        source=source,
        handler=handler,
        form=form,
        output=output,
        python=managed or python,
        architecture=arch,
        libc=libc,
        requirements=requirements,
        included=(*include, *(f"botocore.loaders:{name}" for name in include_service)),
        env=arguments.variables(env, env_file),
        layers=tuple(layer),
        cache=None if no_cache else store.folder(),
        managed_packages=managed_packages,
        build_sdists=build_sdists,
        managed=managed is not None,
        lazy=lazy,
        events=tuple(arguments.event_of(option).decode() for option in event),
        import_limit_s=import_timeout,
        with_archive=not no_archive,
        archive_required=require_archive,
        with_interpreter=not (no_interpreter or managed),
        newer_glibc=allow_newer_glibc,
        kept=tuple(keep),
        stripped=strip,
    )
    try:
        with _interruptible(), _progress_lines() as progress:
            made, findings = _made(request, progress)
    except MissingHandlerError as exc:
        printing.complaint(str(exc))
        printing.hint(_hint(request))
        return exits.BAD_USAGE
    _print(made, request, findings, as_json=as_json)
    return 0


def _make_wrapper_layer(  # noqa: PLR0913 - each is something that is typed
    source: Path | None,
    handler: str | None,
    output: Path,
    python: str,
    extra: list[Extra],
    *,
    as_json: bool,
) -> None:
    """Make the layer, which is the same for all functions. Raises UsageError for one of them."""
    from snapboot_devkit.cli import wrapper_layers  # noqa: PLC0415 - what few need, here and below
    from snapboot_devkit.package.outputs.wrapper_layer import make  # noqa: PLC0415

    for name, value in (("the folder", source), ("--handler", handler)):
        if value is not None:
            raise exits.UsageError(
                f"the wrapper layer is for any function; leave out {name} {str(value)!r}"
            )
    with _interruptible(), _progress_lines() as progress:
        layer = make(output, progress, python.split(","), extra)
    wrapper_layers.show(layer, as_json=as_json)


def _required(
    form: Form, source: Path | None, handler: str | None, extra: list[Extra]
) -> tuple[Path, str]:
    """Return folder and handler, which every other form takes. Raises UsageError without them."""
    if source is None or handler is None:
        raise exits.UsageError(f"--as {form} requires the folder of a function and its --handler")
    if extra:
        raise exits.UsageError(f"--with {extra[0]} is for --as {Form.WRAPPER_LAYER}; leave it out")
    return source, handler


def _print(
    made: Packaged, request: PackageRequest, findings: Sequence[Finding], *, as_json: bool
) -> None:
    from snapboot_devkit.cli import package_report  # noqa: PLC0415

    if as_json:
        document = package_report.document(made, request, findings)
        printing.document(package_report.json_bytes(document))
        return
    for text in made.warnings:
        printing.complaint(f"warning: {text}")
    for one in findings:
        where = f"{one.path}: " if one.path else ""
        printing.complaint(f"{one.severity}: {where}{one.message}; {one.remedy}")
    text = "".join(f"{line}\n" for line in package_report.lines(made, request))
    write_all(STDOUT, text.encode("utf-8", "backslashreplace"))


def _made(
    request: PackageRequest, progress: Callable[[str], object]
) -> tuple[Packaged, list[Finding]]:
    """Make a package and audit it, unless that would give what is there already."""
    request.check()
    progress("looking for what has changed")
    known = repeated.key(request) if request.cache else None
    if known is None:
        return _made_again(request, progress)
    with Store(request.cache) as opened:
        if same := repeated.load(opened, known, request):
            progress("nothing has changed")
            return same
        outcome = _made_again(request, progress)
        repeated.save(opened, known, *outcome)
        return outcome


def _made_again(
    request: PackageRequest, progress: Callable[[str], object]
) -> tuple[Packaged, list[Finding]]:
    from snapboot_devkit.package.elf_facts import ElfFacts  # noqa: PLC0415 - not for what is there
    from snapboot_devkit.package.packaging import packaging  # noqa: PLC0415

    with Store(request.cache) as opened:
        facts = ElfFacts(opened)
        with packaging(request, progress, opened, facts) as made:
            progress("auditing")
            findings = _findings(made, request, facts)
            facts.keep()
    return made, findings


def _managed(runtime: str) -> str | None:
    """Return the version of one of AWS's own runtimes, None for `provided`. Raises UsageError."""
    found = _MANAGED.fullmatch(runtime)
    if found is None and runtime != PROVIDED:
        raise exits.UsageError(
            f"--runtime {runtime!r} is neither {PROVIDED} nor one such as python3.13"
        )
    return found[1] if found else None


def _findings(made: Packaged, request: PackageRequest, facts: ElfFacts) -> list[Finding]:
    """Return what an audit of all that was made finds and has not been reported before."""
    from snapboot_devkit.package.audit import Severity, audit, managed_imports  # noqa: PLC0415
    from snapboot_devkit.package.checks import binaries  # noqa: PLC0415
    from snapboot_devkit.package.checks.layout import Place  # noqa: PLC0415

    found = []
    place = Place.MANAGED if request.managed else Place.PROVIDED
    for each in made.made if request.form is not Form.IMAGE else ():
        handler = None if each.path.name == LAYER_ZIP else request.handler
        report = audit(
            each.path,
            handler=handler,
            architecture=request.architecture,
            target=place,
            layers=request.layers,
            facts=facts,
        )
        found += [one for one in report.findings if one.severity is not Severity.NOTE]
    return [
        one for one in found if one.code not in {*binaries.CODES, managed_imports.CODE}
    ]  # which packaging itself reports


def _hint(request: PackageRequest) -> str:
    """Return which modules the source has."""
    from snapboot_devkit.cli import modules  # noqa: PLC0415

    module = request.handler.rpartition(".")[0].replace("/", ".")
    near = modules.near(request.source, module)
    if not near:
        return f"there is no Python file in {str(request.source)!r}"
    return f"{str(request.source)!r} has: {', '.join(near)}"


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have the other signals that ask for the end do what Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    yield


@contextlib.contextmanager
def _progress_lines() -> Iterator[Callable[[str], object]]:
    """Yield what is called for each stage: a line for one that is over, and its name before."""
    if not printing.is_terminal():
        with contextlib.closing(Stages(_write_line)) as stages:
            yield stages.begin
        return
    from rich.console import Console  # noqa: PLC0415 - for a terminal alone

    console = Console(stderr=True)
    with console.status("packaging") as status, contextlib.closing(Stages(console.print)) as stages:

        def progress(text: str) -> None:
            status.update(text)
            stages.begin(text)

        yield progress


def _write_line(text: str) -> None:
    with contextlib.suppress(OSError):
        write_all(STDERR, f"{text}\n".encode("utf-8", "backslashreplace"))
