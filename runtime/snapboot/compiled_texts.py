"""Code out of the module archive that the standard library makes of texts at each import.

A named tuple is made by an `eval`, a dataclass by an `exec`, an annotation that is a text by a
`compile`: some 150 of them when boto3 is imported. Here they are what they were when the function
was packaged. The modules find these three by a global of their own, in front of the built-in one;
it gives that one all other texts, and every text once it was replaced.
"""

import builtins
import sys
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .archive import ModuleArchive, Table

# What the modules compile their texts with.
MEANS = {
    "collections": "eval",
    "dataclasses": "exec",
    "multiprocessing.managers": "exec",
    "typing": "compile",
}


def install(module: "ModuleType", _archive: "ModuleArchive", table: "Table") -> None:
    """Have a module, which is not executed yet, find the code of its texts."""
    name = MEANS[module.__name__]
    (codes,) = table[1].values()
    original = vars(builtins)[name]

    def run(text: "Any", *scopes: "Any", **options: "Any") -> "Any":
        builtin = vars(builtins)[name]
        if not scopes:
            caller = sys._getframe(1)  # noqa: SLF001
            scopes = caller.f_globals, caller.f_locals
        if type(text) is str and text in codes and builtin is original:
            text = loads(codes[text])  # noqa: S302 - as it was written
        return builtin(text, *scopes, **options)

    def make(text: "Any", *arguments: "Any", **options: "Any") -> "Any":
        builtin = vars(builtins)[name]
        if (
            type(text) is str
            and text in codes
            and builtin is original
            and (arguments, options) == (("<string>", "eval"), {})
        ):
            return loads(codes[text])  # noqa: S302 - as it was written
        return builtin(text, *arguments, **options)

    vars(module)[name] = make if name == "compile" else run
