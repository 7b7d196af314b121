"""The errors that the platform has a type of its own for, by their names on the wire.

The messages are those of AWS's Python runtime, to the letter: people search for them.
"""

BEFORE_SNAPSHOT_ERROR = "Runtime.BeforeSnapshotError"
AFTER_RESTORE_ERROR = "Runtime.AfterRestoreError"


class Fault(Exception):  # noqa: N818 - the platform's word for it
    """An error of one of these types; `stack` takes the place of a traceback."""

    def __init__(self, error_type: str, message: str, stack: "list[str] | None" = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.stack = stack or []


def malformed_handler_name(handler: str) -> Fault:
    """Return what is wrong with a handler's name that has no dot."""
    reason = "not enough values to unpack (expected 2, got 1)"
    return Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {reason}")


def built_in_module(module: str) -> Fault:
    """Return what is wrong with a module that the interpreter has built in."""
    text = f"Cannot use built-in module {module} as a handler module"
    return Fault("Runtime.BuiltInModuleConflict", text)


def unusable_module(module: str, error: "ImportError | SyntaxError") -> Fault:
    """Return why the handler's module cannot be imported."""
    if isinstance(error, ImportError):
        text = f"Unable to import module '{module}': {error}"
        return Fault("Runtime.ImportModuleError", text)
    place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
    text = f"Syntax error in module '{module}': {error}"
    return Fault("Runtime.UserCodeSyntaxError", text, [place])


def handler_not_found(handler: str, module: str) -> Fault:
    """Return that the module has no such function."""
    return Fault("Runtime.HandlerNotFound", f"Handler '{handler}' missing on module '{module}'")


def unreadable_context(header: str, reason: object) -> Fault:
    """Return what is wrong with the JSON of a header that the context is made of."""
    text = f"Unable to parse {header} JSON: {reason}"
    return Fault("Runtime.LambdaContextUnmarshalError", text)


def unreadable_event(error: Exception) -> Fault:
    """Return why an event cannot be decoded."""
    return Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")


def unwritable_result(error: Exception, result: object) -> Fault:
    """Return why a handler's result cannot be encoded, and what to do if it holds a generator."""
    text = f"Unable to marshal response: {error}{_remedy(result)}"
    return Fault("Runtime.MarshalError", text)


def _remedy(result: object) -> str:
    """Return what to do about a coroutine or an iterator within a result; nothing without one."""
    from .streaming import is_source

    values = [result]
    seen = set()
    for value in values:  # which grows meanwhile
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)
        if hasattr(kind, "__await__"):
            return f"; await the {kind.__name__} that is in the result"
        if is_source(value):
            return (
                f"; to stream the {kind.__name__} that is in the result, return it by itself or as"
                " the body of snapboot.HttpResponse; else make a list of it"
            )
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, (list, tuple)):
            values += value
    return ""
