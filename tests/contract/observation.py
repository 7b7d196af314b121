"""What one invocation showed, made comparable: what differs from run to run is written alike."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.fakes.contenders import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.emulator import Answer

# A very long text is compared by its ends and its length: neither runtime invents a middle.
SHOWN_CHARACTERS: Final = 4000
FIELDS: Final = ("status", "content type", "body", "log")

_STRING_OR_SPACE: Final = re.compile(r'("(?:\\.|[^"\\])*")|[ \t\r\n]+')
_JSON_LINE: Final = re.compile(r"(?m)^\{.*\}$")
# How a process that dies was started is no difference: those frames of a traceback are dropped.
_STARTER: Final = re.compile(
    r'(?m)^ +File "(?:<frozen runpy>|[^"\n]*/bootstrap(?:\.py)?|/opt/snapboot'
    r'|[^"\n]*/(?:awslambdaric|snapboot)/[^"\n]*)"'
    r"[^\n]*\n(?:    [^\n]*\n)*"
)
_CALLERS: Final = re.compile(r"(?m)^ +[~^]+\n")
_VARIABLE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"), "<time>"),
    (re.compile(r"\[\d{13}\]"), "[<time>]"),
    (re.compile(r"\b0x[0-9a-f]{6,}"), "<address>"),
    # How deep a handler may go depends on how deep the runtime calls it.
    (re.compile(r"repeated \d+ more times"), "repeated <n> more times"),
    (re.compile(re.escape(f"{ROOT}/runtime/snapboot/")), "<snapboot>/"),
    (re.compile(re.escape(f"{ROOT}/.cache/") + r"[^/]*/awslambdaric/"), "<awslambdaric>/"),
    (re.compile("/opt/snapboot.d/snapboot/"), "<snapboot>/"),
    (re.compile("/var/runtime/awslambdaric/"), "<awslambdaric>/"),
    (re.compile("/var/lang/lib/python[^/]*/"), "<python>/"),
    (re.compile(re.escape(sys.base_prefix) + r"/lib/python[^/]*/"), "<python>/"),
)


@dataclass(frozen=True, slots=True)
class Observation:
    """One invocation: the caller's view, and what was written to the log meanwhile.

    `fields` holds a text for each of FIELDS.
    """

    fields: dict[str, str]

    def __getitem__(self, field: str) -> str:
        """Return the text of one of FIELDS."""
        return self.fields[field]


def observe(answer: Answer, log: str, *, task_root: Path, exact: bool) -> Observation:
    """Return the observation; unless `exact`, white space between JSON tokens is dropped."""
    body = answer.body.decode("utf-8", "backslashreplace")
    if not exact:
        body = _compact(body)
        log = _JSON_LINE.sub(lambda match: _compact(match[0]), log)
    values = (
        *(str(answer.status), answer.content_type),
        *(_steady(body, task_root), _steady(_STARTER.sub("", log), task_root)),
    )
    return Observation(dict(zip(FIELDS, values, strict=True)))


def _compact(json_text: str) -> str:
    return _STRING_OR_SPACE.sub(lambda match: match[1] or "", json_text)


def _steady(text: str, task_root: Path) -> str:
    text = _CALLERS.sub("", text).replace(str(task_root), "/var/task")
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]}<{len(text)} characters>{text[-half:]}"
