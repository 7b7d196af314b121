"""`snapboot package`: a source folder becomes a zip, a zip and a layer, or an image's folder."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console

from snapboot_devkit.cli import (
    arguments,
    exits,
    handover,
    modules,
    printing,
    wrapper_layers,
)
from snapboot_devkit.cli.progress import Stages
from snapboot_devkit.host.streams import STDOUT, write_all
from snapboot_devkit.package import repeated, store
from snapboot_devkit.package.audit import Severity, audit
from snapboot_devkit.package.checks import binaries
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.forms.wrapper_layer import Extra
from snapboot_devkit.package.forms.wrapper_layer import make as make_wrapper_layer
from snapboot_devkit.package.layout import LAYER_ZIP, Form
from snapboot_devkit.package.packaging import package as make
from snapboot_devkit.package.request import IMPORT_LIMIT_S, Request
from snapboot_devkit.package.store import Store
from snapboot_devkit.package.target import Architecture, Libc
from snapboot_devkit.package.work import MissingHandlerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from snapboot_devkit.package.audit import Finding
    from snapboot_devkit.package.request import Packaged

PROVIDED: Final = "provided.al2023"
_MANAGED: Final = re.compile(r"python(3\.\d{1,2})")
_OWN_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def package(  # noqa: PLR0913 - each is something that is typed
    source: Annotated[
        Path | None, typer.Argument(help="The folder of the function's code (no wrapper layer's).")
    ] = None,
    *,
    handler: Annotated[
        str | None, typer.Option(help="What Lambda is to call, as module.function.")
    ] = None,
    form: Annotated[Form, typer.Option("--as", help="What to make.")],
    output: Annotated[Path, typer.Option(help="The folder to put it in.")],
    python: Annotated[
        str,
        typer.Option(
            metavar="VERSION|FOLDER",
            help="Of which uv gets an interpreter, or the folder of one that can be moved; for a "
            "wrapper layer any number of them, separated by commas.",
        ),
    ] = _OWN_VERSION,
    arch: Annotated[
        Architecture, typer.Option(help="The function's architecture.")
    ] = Architecture.X86_64,
    libc: Annotated[Libc, typer.Option(help="The C library of the image's base.")] = Libc.GLIBC,
    runtime: Annotated[
        str,
        typer.Option(
            help="The function's runtime: provided.al2023, or one of AWS's own such as python3.13, "
            "which takes a zip without interpreter."
        ),
    ] = PROVIDED,
    requirements: Annotated[
        Path | None,
        typer.Option(
            help="What to install; else the source's requirements.txt, uv.lock or pyproject.toml."
        ),
    ] = None,
    managed_packages: Annotated[
        bool,
        typer.Option(
            "--managed-packages",
            help="Add what the code imports and only AWS's own runtimes have, such as boto3.",
        ),
    ] = False,
    build_sdists: Annotated[
        bool,
        typer.Option(
            "--build-sdists", help="Build packages that have no wheel, which runs their code here."
        ),
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE",
            help="A module for the archive that is imported late; MODULE.* takes all below it.",
        ),
    ] = None,
    include_service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A service of AWS's, such as dynamodb, of which the archive is to have boto3's "
            "data; it has that of clients that are made while the handler is imported.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="K=V",
            help="A variable the handler needs while it is imported; the function does not get it, "
            "but --as image writes it into the Dockerfile.",
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(help="A file with such variables, as of `snapboot invoke`; may be repeated."),
    ] = None,
    layer: Annotated[
        list[Path] | None,
        typer.Option(
            help="A layer of the function's, a folder or a zip, at /opt while it is imported; "
            "may be repeated. It is not put into the package."
        ),
    ] = None,
    import_timeout: Annotated[
        float, typer.Option(help="How many seconds the handler's import may take.")
    ] = IMPORT_LIMIT_S,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Make no module archive; import nothing here.")
    ] = False,
    require_archive: Annotated[
        bool,
        typer.Option(
            "--require-archive",
            help="Fail if the handler cannot be imported here; else there is no archive then.",
        ),
    ] = False,
    no_interpreter: Annotated[
        bool,
        typer.Option("--no-interpreter", help="Leave out interpreter and runtime (zip only)."),
    ] = False,
    allow_newer_glibc: Annotated[
        bool,
        typer.Option("--allow-newer-glibc", help="Take files that Amazon Linux is too old for."),
    ] = False,
    extra: Annotated[
        list[Extra] | None,
        typer.Option("--with", help="A package for the wrapper layer; may be repeated."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A file of the source to include although it may hold secrets, such as a key.",
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Make everything again, and store nothing for later."),
    ] = False,
    strip: Annotated[
        bool,
        typer.Option(
            "--strip",
            help="Take out what never runs: tests and type stubs of libraries, debug sections, "
            "bytecode that the archive has, too.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make what is deployed: code, dependencies, bytecode, module archive, interpreter.

    To find what belongs in the module archive, the handler is imported: its code, and that of its
    dependencies, run on this machine, with your permissions. --no-archive imports nothing.

    What was made goes to standard output, warnings to standard error. Exits with 2 when it cannot
    be made, and with 130 when a signal ends it; then nothing is left of it.
    """
    try:
        if form is Form.WRAPPER_LAYER:
            wrapper_layers.refuse_function(source, handler)
            with _interruptible(), _telling() as tell:
                made_layer = make_wrapper_layer(output, tell, python.split(","), extra or ())
            wrapper_layers.show(made_layer, as_json=as_json)
            return
        source, handler = wrapper_layers.required(form, source, handler, extra)
        managed = _managed(runtime)
        request = Request(
            source=source,
            handler=handler,
            form=form,
            output=output,
            python=managed or python,
            architecture=arch,
            libc=libc,
            requirements=requirements,
            included=(
                *(include or ()),
                *(f"botocore.loaders:{name}" for name in include_service or ()),
            ),
            env=arguments.variables(env or (), env_file or ()),
            layers=tuple(layer or ()),
            cache=None if no_cache else store.folder(),
            managed_packages=managed_packages,
            build_sdists=build_sdists,
            managed=managed is not None,
            import_limit_s=import_timeout,
            with_archive=not no_archive,
            archive_required=require_archive,
            with_interpreter=not (no_interpreter or managed),
            newer_glibc=allow_newer_glibc,
            kept=tuple(keep or ()),
            stripped=strip,
        )
        with _interruptible(), _telling() as tell:
            made, findings = _made(request, tell)
        _print(made, request, findings, as_json=as_json)
    except (exits.UsageError, PackageError) as exc:
        printing.complaint(str(exc))
        if isinstance(exc, MissingHandlerError):
            printing.hint(_hint(request))
        raise typer.Exit(exits.BAD_USAGE) from exc
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(exits.UNREAD) from None


def _print(made: Packaged, request: Request, findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        document = handover.document(made, request, findings)
        printing.document(handover.json_bytes(document))
        return
    for text in made.warnings:
        printing.complaint(f"warning: {text}")
    for one in findings:
        where = f"{one.path}: " if one.path else ""
        printing.complaint(f"{one.severity}: {where}{one.message}; {one.remedy}")
    text = "".join(f"{line}\n" for line in handover.lines(made, request))
    write_all(STDOUT, text.encode("utf-8", "backslashreplace"))


def _made(request: Request, tell: Callable[[str], object]) -> tuple[Packaged, list[Finding]]:
    """Make a package and audit it, unless that would give what is there already."""
    request.check()
    tell("looking for what has changed")
    known = repeated.key(request) if request.cache else None
    if known is None:
        return _made_again(request, tell)
    with Store(request.cache) as opened:
        if same := repeated.load(opened, known, request):
            tell("nothing has changed")
            return same
        outcome = _made_again(request, tell)
        repeated.save(opened, known, *outcome)
        return outcome


def _made_again(request: Request, tell: Callable[[str], object]) -> tuple[Packaged, list[Finding]]:
    made = make(request, tell)
    tell("auditing")
    return made, _findings(made, request)


def _managed(runtime: str) -> str | None:
    """Return the version of one of AWS's own runtimes, None for `provided`. Raises UsageError."""
    found = _MANAGED.fullmatch(runtime)
    if found is None and runtime != PROVIDED:
        raise exits.UsageError(
            f"--runtime {runtime!r} is neither {PROVIDED} nor one such as python3.13"
        )
    return found[1] if found else None


def _findings(made: Packaged, request: Request) -> list[Finding]:
    """Return what an audit of everything that was made finds, and what was not told before."""
    found = []
    place = Place.MANAGED if request.managed else Place.PROVIDED
    for each in made.made if request.form is not Form.IMAGE else ():
        handler = None if each.path.name == LAYER_ZIP else request.handler
        report = audit(each.path, handler=handler, architecture=request.architecture, target=place)
        found += [one for one in report.findings if one.severity is not Severity.NOTE]
    return [
        one for one in found if one.code not in binaries.CODES
    ]  # which packaging itself reports


def _hint(request: Request) -> str:
    """Return which modules the source has."""
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
def _telling() -> Iterator[Callable[[str], object]]:
    """Yield what shows, at a terminal alone, what goes on: a line for each stage that is over."""
    if not printing.is_terminal():
        yield lambda _: None
        return
    console = Console(stderr=True)
    with console.status("packaging") as status, contextlib.closing(Stages(console.print)) as stages:

        def tell(text: str) -> None:
            status.update(text)
            stages.begin(text)

        yield tell
