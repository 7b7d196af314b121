"""A function that also reports what its imports took: a handler around the one in `app`."""

import sys
from collections import Counter

IMPORT_SYSTEM = "<frozen importlib."
compiled = []


def watch(event, arguments):
    # Libraries compile for reasons of their own: a dataclass's methods, a look at a syntax tree.
    if event == "compile" and sys._getframe(1).f_code.co_filename.startswith(IMPORT_SYSTEM):
        compiled.append(str(arguments[1]))


sys.addaudithook(watch)

import app  # noqa: E402 - what it takes is what is watched


def handler(event, context):
    result = app.handler(event, context)
    specs = [getattr(module, "__spec__", None) for module in sys.modules.copy().values()]
    loaders = Counter(type(spec.loader).__name__ for spec in specs if spec)
    return {"result": result, "compiled": compiled, "loaders": dict(loaders)}
