"""JSON both ways: the same whichever engine works, the same as the incumbent where that is right.

The standard library's `json` is the oracle for decoding, awslambdaric's own marshaller for both.
"""

from __future__ import annotations

import collections
import datetime as dt
import importlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snapboot
from oracles import awslambdaric
from snapboot.codec import (
    DECODE_SAVING_NS,
    ENCODE_SAVING_NS,
    EXACT_SAVING_NS,
    ORJSON_IMPORT_NS,
    ORJSON_NEEDS,
    Codec,
    codec,
    decoded_event,
    encoded_result,
    json_text,
    set_codec,
)
from snapboot.faults import Fault
from tests.fakes.fuzzing import TIMES
from tests.runtime.corpus.json_texts import FRAGMENTS, REFUSED, TEXTS
from tests.runtime.corpus.results import DECIMALS, DIFFERENT, ODD_OFFSET, SAME, Point, nested
from tests.runtime.corpus.results import REFUSED as REFUSED_RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CHILD_TIMEOUT_S: Final = 30
SNAPBOOT_FOLDER: Final = str(Path(snapboot.__file__).parents[1])

QUICK: Final = settings(derandomize=True, deadline=None, max_examples=150 * TIMES, database=None)


def settled(choice: str) -> Codec:
    made = Codec()
    made.settle(choice)
    return made


# What makes a codec in each state that it can be in; "auto" has bought nothing yet.
STATES: Final[Mapping[str, Callable[[], Codec]]] = {
    "stdlib": lambda: settled("stdlib"),
    "orjson": lambda: settled("orjson"),
    "auto": Codec,
}
states = pytest.mark.parametrize("state", STATES)
texts = pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:24]))
refused = pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:24]))
same = pytest.mark.parametrize("value", [pytest.param(each, id=name) for name, each in SAME])
different = pytest.mark.parametrize(
    ("value", "ours", "theirs"), [pytest.param(*case, id=name) for name, *case in DIFFERENT]
)
refused_results = pytest.mark.parametrize(
    "value", [pytest.param(each, id=name) for name, each in REFUSED_RESULTS]
)


@pytest.fixture(scope="module")
def marshaller() -> Any:
    """Return awslambdaric's, as it is under Python 3.12 and later: its text is UTF-8."""
    folder = str(awslambdaric.folder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [folder, *sys.path])
        patch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
        return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()


@pytest.fixture
def unset_codec() -> Iterator[None]:
    """Take back what a test makes the user's codec."""
    yield
    set_codec()


def child(code: str) -> list[str]:
    """Run code in a process of its own that nothing of the tests is loaded in; return its lines."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": SNAPBOOT_FOLDER},
        capture_output=True,
        text=True,
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# Decoding.


def decoded(state: str, data: bytes) -> str | tuple[type[Exception], str]:
    """Return what came of it, exactly: types, the order of keys and the sign of zero included."""
    try:
        return repr(STATES[state]().decode(data))
    except (ValueError, RecursionError) as exc:
        return type(exc), str(exc)


def decoded_by_json(data: bytes) -> str | tuple[type[Exception], str]:
    try:
        text = str(data, "utf-8").removeprefix("\ufeff")
        return repr(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError) as exc:
        return type(exc), str(exc)


def _refuse(constant: str) -> None:
    message = f"Expecting value: {constant} is not JSON"
    raise ValueError(message)


@texts
@states
def test_an_event_means_what_json_says(state: str, text: bytes) -> None:
    outcome = decoded(state, text)

    assert isinstance(outcome, str)
    assert outcome == decoded_by_json(text)


@texts
@states
def test_an_event_means_what_awslambdaric_says(state: str, text: bytes, marshaller: Any) -> None:
    assert decoded(state, text) == repr(marshaller.unmarshal_request(text))


@refused
@states
def test_what_is_not_json_is_refused_in_the_words_of_json(state: str, text: bytes) -> None:
    outcome = decoded(state, text)

    assert isinstance(outcome, tuple)
    assert outcome == decoded_by_json(text)


@refused
def test_awslambdaric_refuses_what_we_refuse(text: bytes, marshaller: Any) -> None:
    with pytest.raises(Exception, match="Unable to unmarshal input"):
        marshaller.unmarshal_request(text)


@states
def test_the_bytes_of_an_event_may_be_a_bytearray(state: str) -> None:
    assert STATES[state]().decode(bytearray(b'{"a": [1, 12345678901234567890]}')) == {
        "a": [1, 12345678901234567890]
    }


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@QUICK
@given(
    value=json_values,
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 1]),
    space=st.sampled_from(["", " ", "\n\t"]),
)
def test_any_event_means_the_same_to_every_engine(
    value: Any, *, ensure_ascii: bool, indent: int | None, space: str
) -> None:
    # Text of json's own, so no NaN; its Infinity, for a float too large, is spelled 1e999.
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
    data = (space + text.replace("Infinity", "1e999") + space).encode("utf-8", "backslashreplace")

    outcomes = {state: decoded(state, data) for state in STATES}

    assert set(outcomes.values()) == {decoded_by_json(data)}


@settings(QUICK, max_examples=500 * TIMES)
@given(pieces=st.lists(st.sampled_from(FRAGMENTS), max_size=8))
def test_any_almost_json_comes_to_the_same_in_every_engine(pieces: list[bytes]) -> None:
    data = b"".join(pieces)

    outcomes = {state: decoded(state, data) for state in STATES}

    assert set(outcomes.values()) == {decoded_by_json(data)}


@QUICK
@given(
    value=json_values,
    where=st.integers(0, 200),
    count=st.integers(0, 3),
    fragment=st.sampled_from(FRAGMENTS) | st.binary(max_size=2),
)
def test_a_spoilt_event_comes_to_the_same_in_every_engine(
    value: Any, where: int, count: int, fragment: bytes
) -> None:
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
    position = where % (len(data) + 1)
    data = data[:position] + fragment + data[position + count :]

    outcomes = {state: decoded(state, data) for state in STATES}

    assert set(outcomes.values()) == {decoded_by_json(data)}


# Encoding.


def meaning(text: str | bytes) -> str:
    """Return what JSON text means, exactly; NaN as the null that it should have been.

    Two lone surrogates that make a pair are one character to a reader of their escapes.
    """
    text = text if isinstance(text, str) else text.decode()
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return repr(
        json.loads(paired, object_pairs_hook=lambda pairs: pairs, parse_constant=lambda _: None)
    )


def theirs_of(marshaller: Any, value: object) -> str:
    """Return awslambdaric's text. Raises Exception when it has none."""
    text, content_type = marshaller.marshal_response(value)
    assert content_type == "application/json"
    return str(text)


@same
@states
def test_a_result_means_what_awslambdaric_makes_of_it(
    state: str, value: Any, marshaller: Any
) -> None:
    assert meaning(STATES[state]().encode(value)) == meaning(theirs_of(marshaller, value))


@pytest.mark.parametrize("text", DECIMALS)
@states
def test_a_decimal_is_a_bare_number_in_its_own_digits(
    state: str, text: str, marshaller: Any
) -> None:
    ours = STATES[state]().encode({"a": [Decimal(text)]}).decode()

    assert ours == theirs_of(marshaller, {"a": [Decimal(text)]}).replace(" ", "")
    assert json.loads(ours, parse_float=Decimal, parse_int=Decimal) == {"a": [Decimal(text)]}


@different
@states
def test_where_we_differ_from_awslambdaric_it_is_on_purpose(
    state: str, value: Any, ours: str, theirs: str | None, marshaller: Any
) -> None:
    assert STATES[state]().encode(value).decode() == ours
    if theirs is not None:
        assert theirs_of(marshaller, value) == theirs
        return
    with pytest.raises(Exception, match="is not JSON serializable"):
        theirs_of(marshaller, value)


class Overriding(dict):
    """A dict that shows something else than it holds."""

    def items(self) -> Any:
        return [("shown", 1)]

    def __bool__(self) -> bool:
        return False


class Reversed(list):
    """A list that is read backwards, and is false."""

    def __iter__(self) -> Any:
        return iter(self[::-1])

    def __bool__(self) -> bool:
        return False


def moved() -> Any:
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    return value


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(1890, 1, 1, tzinfo=ODD_OFFSET), '"1890-01-01T00:00:00+00:19:32"'),
        (Overriding(held=2), '{"shown":1}'),
        (Overriding(), '{"shown":1}'),
        (Reversed([1, 2]), "[2,1]"),
        (moved(), '{"b":2,"a":1}'),
    ],
)
def test_a_value_with_a_mind_of_its_own_is_asked_by_every_engine(state, value, text) -> None:
    assert STATES[state]().encode(value).decode() == text


@pytest.mark.parametrize("state", STATES)
def test_a_deep_result_is_encoded(state: str) -> None:
    # From 3.13 on deeper than Python's own stack; before, C code shares its limit.
    depth = 2000 if sys.version_info >= (3, 13) else 400
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]

    assert STATES[state]().encode(value) == b"[" * depth + b"]" * depth


@different
def test_what_we_make_of_the_differences_is_json(value: Any, ours: str, theirs: str | None) -> None:
    assert meaning(ours)
    ours.encode()


@refused_results
@states
def test_what_has_no_json_is_refused_in_awslambdarics_words(
    state: str, value: Any, marshaller: Any
) -> None:
    with pytest.raises((TypeError, ValueError)) as ours:
        STATES[state]().encode(value)
    with pytest.raises(Exception, match="Unable to marshal response: ") as theirs:
        theirs_of(marshaller, value)

    assert f"Unable to marshal response: {ours.value}" in str(theirs.value.args[1])


@pytest.mark.parametrize("innermost", [1, Decimal(1), object()], ids=["plain", "exact", "no JSON"])
@states
def test_too_many_levels_are_an_error_and_no_crash(state: str, innermost: Any) -> None:
    with pytest.raises(RecursionError):
        STATES[state]().encode(nested(300_000, innermost))


@pytest.mark.parametrize("innermost", [1, Decimal(1), Point(1, 2)], ids=["plain", "exact", "named"])
@states
def test_depth_beyond_orjsons_is_encoded_all_the_same(state: str, innermost: Any) -> None:
    text = STATES[state]().encode(nested(300, innermost)).decode()

    assert text.startswith("[" * 300)
    assert text.endswith("]" * 300)


@states
def test_arrays_and_scalars_of_numpy_are_encoded_as_pythons(state: str) -> None:
    numpy = pytest.importorskip("numpy")
    value = {
        "array": numpy.array([[1, 2], [3, 4]]),
        "floats": numpy.array([0.5, numpy.nan]),
        "scalars": [numpy.int64(1), numpy.float32(0.5), numpy.float64(0.25), numpy.bool_(True)],  # noqa: FBT003
        "text": numpy.str_("a"),
    }

    assert json.loads(STATES[state]().encode(value)) == {
        "array": [[1, 2], [3, 4]],
        "floats": [0.5, None],
        "scalars": [1, 0.5, 0.25, True],
        "text": "a",
    }


decimals = st.decimals(allow_nan=True, allow_infinity=True)
keys = (
    st.text(st.characters(), max_size=4)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats()
    | st.text(max_size=3).map(str.encode)
)
inner_bytes = st.text(max_size=4).map(lambda text: [text.encode()])
results = st.recursive(
    json_values | st.floats() | decimals | inner_bytes,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


@settings(QUICK, max_examples=300 * TIMES)
@given(value=results)
def test_any_result_means_what_awslambdaric_makes_of_it(value: Any, marshaller: Any) -> None:
    theirs = meaning(theirs_of(marshaller, value))

    for state in STATES:
        assert meaning(STATES[state]().encode(value)) == theirs, state


@QUICK
@given(value=results)
def test_any_result_is_text_that_a_strict_reader_takes(value: Any) -> None:
    for state in STATES:
        text = STATES[state]().encode(value).decode()
        json.loads(text, parse_constant=_refuse)


def test_what_is_encoded_exactly_is_looked_up_where_it_is_loaded_from() -> None:
    lines = child("""if True:
        import sys
        from snapboot.codec import Codec
        class P(tuple):
            def _asdict(self): return {"a": list(self)}
        print(Codec().encode([P((1,)), b"a", {1: 2}]).decode())
        print(any(name in sys.modules for name in ("decimal", "datetime", "uuid", "dataclasses")))
    """)

    assert lines == ['[{"a":[1]},"a",{"1":2}]', "False"]


# When orjson is bound.


@pytest.mark.parametrize(
    ("work", "data_bytes", "saving_ns"),
    [
        (lambda made: made.decode(b'"' + b"a" * 99_998 + b'"'), 100_000, DECODE_SAVING_NS),
        (lambda made: made.encode("a" * 99_998), 100_000, ENCODE_SAVING_NS),
        (lambda made: made.encode(Point(1, "a" * 9_986)), 10_000, EXACT_SAVING_NS),
    ],
    ids=["decoding", "encoding", "encoding exactly"],
)
def test_orjson_is_bound_when_the_bytes_handled_have_paid_for_its_import(
    work: Any, data_bytes: int, saving_ns: int
) -> None:
    made = Codec()
    affordable = ORJSON_IMPORT_NS // (data_bytes * saving_ns)

    for _ in range(affordable):
        work(made)
    assert (
        repr(made) == f"<Codec with _json, {ORJSON_IMPORT_NS % (data_bytes * saving_ns)} ns left>"
    )

    work(made)
    assert repr(made).startswith("<Codec with orjson, -")


def test_an_event_that_is_worth_the_import_alone_is_decoded_by_orjson() -> None:
    made = Codec()

    made.decode(b" " * (ORJSON_IMPORT_NS // DECODE_SAVING_NS) + b"{}")

    assert repr(made).startswith("<Codec with orjson, ")


def test_nothing_is_imported_for_a_plain_event_and_a_plain_result() -> None:
    lines = child("""if True:
        import sys
        from snapboot.codec import codec
        codec.settle("auto")
        print(codec.decode(b' {"a": [1, 2.5, "\\u00e9", 12345678901234567890]}\\n') and "decoded")
        print(codec.encode({"a": [1, (2.5, None)], 3: True}).decode())
        print(sorted({"orjson", "json", "decimal", "snapboot.exact_json"} & sys.modules.keys()))
    """)

    assert lines == ["decoded", '{"a":[1,[2.5,null]],"3":true}', "[]"]


@pytest.mark.parametrize(
    ("choice", "before", "bound"),
    [
        ("auto", "pass", False),
        ("auto", "import orjson", True),
        ("auto", "import " + ", ".join(ORJSON_NEEDS), True),
        ("auto", "import " + ", ".join(ORJSON_NEEDS[:-1]), False),
        ("orjson", "pass", True),
        ("stdlib", "import orjson", False),
        ("auto", "import sys; sys.modules['orjson'] = None", False),
    ],
    ids=lambda value: str(value).lower(),
)
def test_the_engine_is_settled_by_the_setting_and_by_what_is_loaded(
    choice: str, before: str, *, bound: bool
) -> None:
    (engine,) = child(f"""if True:
        {before}
        from snapboot.codec import Codec
        made = Codec()
        made.settle({choice!r})
        print(repr(made).split()[2])
    """)

    assert engine == ("orjson," if bound else "_json,")


WORTH_THREE_IMPORTS: Final = f"""if True:
    from snapboot.codec import Codec
    made = Codec()
    made.settle(choice)
    text = b'["' + b"a" * 2_000_000 + b'"]'
    for _ in range(3 * {ORJSON_IMPORT_NS} // (len(text) * {DECODE_SAVING_NS}) + 1):
        assert made.encode(made.decode(text)) == text
    print(sys.modules.get("orjson") is not None)
"""


@pytest.mark.parametrize(
    ("before", "imported"),
    [
        ("import sys; choice = 'auto'", True),
        ("import sys; choice = 'stdlib'", False),
        ("import sys; choice = 'auto'; sys.modules['orjson'] = None", False),
    ],
    ids=["auto", "stdlib", "auto without orjson"],
)
def test_work_goes_on_whether_orjson_can_be_or_may_be_imported_or_not(
    before: str, *, imported: bool
) -> None:
    assert child(f"{before}\n{WORTH_THREE_IMPORTS}") == [str(imported)]


def test_orjson_asked_for_and_not_there_is_an_error() -> None:
    lines = child("""if True:
        import sys
        sys.modules["orjson"] = None
        from snapboot.codec import Codec
        try:
            Codec().settle("orjson")
        except ImportError as exc:
            print("orjson" in str(exc))
    """)

    assert lines == ["True"]


@texts
def test_an_event_means_the_same_before_and_after_orjson_is_bound(text: bytes) -> None:
    made = Codec()
    before = repr(made.decode(text))
    made.decode(b" " * (ORJSON_IMPORT_NS // DECODE_SAVING_NS) + b"1")

    assert "orjson" in repr(made)
    assert repr(made.decode(text)) == before


# What a handler sees of it.


def test_an_event_of_another_type_is_its_bytes() -> None:
    event = decoded_event(bytearray(b'{"a": 1}'), "application/json; charset=utf-8")

    assert event == b'{"a": 1}'
    assert type(event) is bytes


def test_an_event_that_is_not_json_is_a_fault_of_the_platforms_type() -> None:
    with pytest.raises(
        Fault, match=r"^Unable to unmarshal input: Expecting value: line 1"
    ) as caught:
        decoded_event(b"oops", "application/json")

    assert caught.value.error_type == "Runtime.UnmarshalError"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_result_of_bytes_goes_out_as_it_is() -> None:
    assert encoded_result(b"\xff") == (b"\xff", "application/unknown")


def test_any_other_result_is_json() -> None:
    assert encoded_result(None) == (b"null", "application/json")


def test_a_result_without_json_is_a_fault_of_the_platforms_type() -> None:
    with pytest.raises(Fault, match=r"^Unable to marshal response: Object of type set") as caught:
        encoded_result({1})

    assert caught.value.error_type == "Runtime.MarshalError"


@pytest.mark.usefixtures("unset_codec")
def test_a_users_own_codec_is_used_both_ways() -> None:
    snapboot.set_codec(loads=lambda data: data.upper(), dumps=lambda value: f"<{value}>é")

    assert decoded_event(b'"a"', "application/json") == b'"A"'
    assert encoded_result({1}) == ("<{1}>é".encode(), "application/json")


@pytest.mark.usefixtures("unset_codec")
def test_half_a_users_codec_leaves_the_other_half_as_it_is() -> None:
    snapboot.set_codec(dumps=lambda _: b"bytes")

    assert decoded_event(b'{"a": 1}', "application/json") == {"a": 1}
    assert encoded_result(1) == (b"bytes", "application/json")


@pytest.mark.usefixtures("unset_codec")
def test_a_users_codec_that_fails_is_a_fault_like_any_other() -> None:
    snapboot.set_codec(loads=lambda _: 1 / 0)

    with pytest.raises(Fault, match="Unable to unmarshal input: division by zero"):
        decoded_event(b"{}", "application/json")


@pytest.mark.usefixtures("unset_codec")
def test_a_users_codec_is_taken_back_by_naming_none() -> None:
    snapboot.set_codec(loads=lambda data: data.upper())
    snapboot.set_codec()

    assert codec.loads is None
    assert decoded_event(b"1", "application/json") == 1


def test_a_document_of_our_own_is_compact_and_unescaped() -> None:
    assert json_text({"a": ["é", 1, None]}) == '{"a":["é",1,null]}'
