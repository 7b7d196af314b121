"""What is where in a package, here and on Lambda."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.contents.tree import BOOTSTRAP, OWN_FOLDER

if TYPE_CHECKING:
    from snapboot_devkit.package.interpreters.interpreter import Interpreter

TASK_ROOT: Final = "/var/task"
LAYER_ROOT: Final = "/opt"
INTERPRETER: Final = f"{OWN_FOLDER}/python"
RUNTIME: Final = f"{OWN_FOLDER}/runtime"

FUNCTION_ZIP: Final = "function.zip"
LAYER_ZIP: Final = "layer.zip"
IMAGE_FOLDER: Final = "image"

# The flags of design §4.1: no `site`, and nothing of the current folder on the path.
FLAGS: Final = "-SsP"

_SHEBANG: Final = re.compile(r"\A#!.*\n")
# Where the repository's bootstrap looks for the runtime: beside itself, in `runtime`.
_RUNTIME_BESIDE: Final = '"runtime"'


class Form(StrEnum):
    """What a package is made as."""

    ZIP = "zip"
    LAYER = "layer"
    IMAGE = "image"
    WRAPPER_LAYER = "wrapper-layer"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where interpreter and runtime are: in the folder `root` here, at `place` on Lambda."""

    root: Path
    place: str

    @property
    def interpreter(self) -> Path:
        """The interpreter's folder here."""
        return self.root / INTERPRETER

    @property
    def runtime(self) -> Path:
        """The runtime's folder here."""
        return self.root / RUNTIME

    def move_to(self, other: Placement) -> None:
        """Move what there is of both to another place. Raises OSError."""
        for here, there in ((self.interpreter, other.interpreter), (self.runtime, other.runtime)):
            if here.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                here.rename(there)

    def write_bootstrap(self, template: str, interpreter: Interpreter) -> None:
        """Write what Lambda starts, from the repository's own."""
        program = f"{self.place}/{INTERPRETER}/bin/{interpreter.program.name}"
        path = self.root / BOOTSTRAP
        path.write_text(bootstrap(template, program), "utf-8")
        path.chmod(0o755)


def bootstrap(template: str, program: str) -> str:
    """Return the repository's bootstrap with an interpreter, and with a package's folders."""
    text, replaced = _SHEBANG.subn(f"#!{program} {FLAGS}\n", template)
    assert replaced
    assert text.count(_RUNTIME_BESIDE) == 1
    return text.replace(_RUNTIME_BESIDE, f'"{RUNTIME}"')
