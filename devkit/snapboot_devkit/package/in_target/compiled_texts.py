"""The texts of which the standard library makes code while it is imported, to be sealed.

{folder of the module: {text: its code as `marshal` writes it}}. There are no contents beside it.
Loaded by `tracing`, once the modules have been listed.
"""

import sys
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .tracing import Data

# How `compile` is to take the texts of a module.
MODES = {
    "collections": "eval",
    "dataclasses": "exec",
    "multiprocessing.managers": "exec",
    "typing": "eval",
}


def data(module: str, texts: "Iterable[str]", _wanted: "Iterable[str]") -> "Data | str | None":
    """Return the code of a module's texts; None without any."""
    file = getattr(sys.modules.get(module), "__file__", None)
    codes = {}
    for text in sorted(texts):
        try:
            code = compile(text, "<string>", MODES[module], dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):  # of which the function knows what to think
            continue
        codes[text] = dumps(code, 2)  # without references: the same for the same input
    return ([], {file.rpartition("/")[0]: codes}, []) if file and codes else None
