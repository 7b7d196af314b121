"""`.pth` files and `sitecustomize`, by the rules of `site` and without its import, which takes ms.

The rules are those of the interpreter's own version but for this: files that are hidden, or have a
byte-order mark, are treated on 3.11 and 3.12 as the later releases of both do; and a file that
cannot be decoded is reported, where `site` would end the interpreter.
"""

import posix
import sys
from _io import open_code
from _locale import getencoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

# CPython 3.15 (PEP 829): all folders' paths first, then what is to be executed; and `.start` files.
IN_BATCHES = sys.version_info >= (3, 15)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
HIDDEN = 0x8000  # stat.UF_HIDDEN

# What a line finds without importing it, as it is executed among the globals of `site`: modules,
# and what only `site` itself can give.
MODULES = {"builtins", "errno", "io", "os", "stat"}
OF_SITE = {
    "ENABLE_USER_SITE",
    "PREFIXES",
    "USER_BASE",
    "USER_SITE",
    "addpackage",
    "addsitedir",
    "addsitepackages",
    "addusersitepackages",
    "getsitepackages",
    "getuserbase",
    "getusersitepackages",
    "makepath",
}


def read(listed: "dict[str, list[str]]") -> None:
    """Do what `site` does with the files in folders of the path; `listed` are their names."""
    if IN_BATCHES and any(name.endswith(".start") for names in listed.values() for name in names):
        _leave_to_site(listed)
        return
    known_paths = _known_paths()
    scope = {"__name__": "site", "__builtins__": __builtins__, "sys": sys}
    batch: list[tuple[str, str, list[str]]] = []
    for folder, names in listed.items():
        sitedir = _absolute(folder, "")
        for name in sorted(names):
            if name.endswith(".pth") and not name.startswith("."):
                lines = _lines(f"{sitedir}/{name}")
                if IN_BATCHES:
                    batch.append((sitedir, name, _without_paths(sitedir, name, lines, known_paths)))
                else:
                    _process(sitedir, name, lines, known_paths, scope)
    for sitedir, name, lines in batch:
        _execute(sitedir, name, lines, scope)


def customize() -> None:
    """Import `sitecustomize` as `site` does."""
    try:
        try:
            __import__("sitecustomize")
        except ImportError as exc:
            if exc.name != "sitecustomize":
                raise
    except Exception as exc:
        if sys.flags.verbose:
            sys.excepthook(type(exc), exc, exc.__traceback__)
        else:
            _report(
                "Error in sitecustomize; set PYTHONVERBOSE for traceback:",
                f"{type(exc).__name__}: {exc}",
            )


def _leave_to_site(listed: "dict[str, list[str]]") -> None:
    """Have `site` itself do it: what `.start` files name is resolved by modules it needs, too."""
    import site

    state = site.StartupState()  # type: ignore[attr-defined]
    for folder in listed:
        state.addsitedir(folder)
    state.process()


def _known_paths() -> "set[str]":
    return {_absolute(entry, "") for entry in filter(_exists, sys.path)}


def _absolute(folder: str, path: str) -> str:
    """Return a path in a folder as `os.path.abspath` and `os.path.join` would have it."""
    joined = path if path[:1] == "/" or not folder else f"{folder.rstrip('/')}/{path}"
    if joined[:1] != "/":
        try:
            joined = f"{posix.getcwd()}/{joined}"
        except OSError:
            return joined
    return posix._path_normpath(joined)  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _exists(path: str) -> bool:
    try:
        posix.stat(path)
    except (OSError, TypeError, ValueError):
        return False
    return True


def _lines(path: str) -> "list[str]":
    try:
        if getattr(posix.lstat(path), "st_flags", 0) & HIDDEN:
            return []
        with open_code(path) as file:
            content = file.read()
    except OSError:
        return []
    try:
        text = content.removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        try:
            text = content.decode(getencoding())
        except (LookupError, UnicodeDecodeError) as exc:
            _report(f"Error processing {path}: {exc}; the file is ignored")
            return []
    return text.splitlines()


def _is_code(line: str) -> bool:
    return line.startswith(("import ", "import\t"))


def _process(
    sitedir: str, name: str, lines: "list[str]", known_paths: "set[str]", scope: "dict[str, Any]"
) -> None:
    """Do what the lines say, up to the first that fails (before CPython 3.15).

    The names of parameters and variables are those that a line finds: setuptools' look for
    `sitedir` in this frame.
    """
    fullname = f"{sitedir}/{name}"
    for n, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            if _is_code(line):
                code, names = _compiled(line, scope)
                exec(code, names, locals())  # noqa: S102 - the rule of `.pth` files
                continue
            path = _absolute(sitedir, line.rstrip())
            if path not in known_paths and _exists(path):
                sys.path.append(path)
                known_paths.add(path)
        except Exception as exc:
            _report(f"Error processing line {n} of {fullname}:\n", *_trace(exc))
            _report("\nRemainder of file ignored")
            break


def _without_paths(
    sitedir: str, name: str, lines: "list[str]", known_paths: "set[str]"
) -> "list[str]":
    """Append the folders that the lines name; return the other lines (CPython 3.15)."""
    others = []
    for line in map(str.strip, lines):
        if _is_code(line):
            others.append(line)
        elif line and not line.startswith("#"):
            path = _absolute(sitedir, line)
            if path in known_paths:
                continue
            known_paths.add(path)
            if _exists(path):
                sys.path.append(path)
            else:
                _report(f"In {sitedir}/{name}: {path} does not exist; skipping sys.path append")
    return others


def _execute(sitedir: str, name: str, lines: "list[str]", scope: "dict[str, Any]") -> None:
    """Execute lines, each whether or not the one before failed (CPython 3.15)."""
    filename = fullname = f"{sitedir}/{name}"
    for line in lines:
        try:
            code, names = _compiled(line, scope)
            exec(code, names, locals())  # noqa: S102 - the rule of `.pth` files
        except Exception as exc:
            _report(f"Error in import line from {filename}: {line}", *_trace(exc))
    del fullname


def _compiled(line: str, scope: "dict[str, Any]") -> "tuple[CodeType, dict[str, Any]]":
    """Return the code of a line, and its globals: of those that `site` has, what it uses."""
    code = compile(line, "<string>", "exec", dont_inherit=True)
    used = set(_names(code))
    if used & OF_SITE:
        import site

        return code, vars(site)
    for name in used & MODULES:
        scope[name] = __import__(name)
    return code, scope


def _names(code: "CodeType") -> "Iterator[str]":
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from _names(constant)


def _trace(error: BaseException) -> "Iterator[str]":
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    if trace is None:  # the code cannot be compiled
        yield "  Traceback (most recent call last):"
    for record in traceback.format_exception(error.with_traceback(trace)):
        for line in record.splitlines():
            yield f"  {line}"


def _report(*lines: str) -> None:
    """Write to stderr, if that is there."""
    if sys.stderr is not None:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
