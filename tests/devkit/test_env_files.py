"""Files of variables: `--env-file` and `FunctionConfig(env_files=…)`."""

import json
import os

import pytest

from snapboot_devkit.cli.arguments import variables
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host import ConfigError, FunctionConfig
from snapboot_devkit.host.sources import env_files
from tests.devkit.test_command import USUAL, process


@pytest.fixture
def holding(tmp_path):
    """Return what reads a file of this content."""

    def read(content, environ=None):
        file = tmp_path / "function.env"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return env_files.read([file], environ or {})

    return read


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("K=one", "one"),
        ("export K=one", "one"),
        ("  export\tK = one  ", "one"),
        ("\ufeffK=one\n", "one"),
        ("\n# a remark\n\nK=one\n", "one"),
        ("K=one # a remark", "one"),
        ("K=one#two", "one#two"),
        ("K=", ""),
        ("K='one # two'  # a remark", "one # two"),
        ('K="one two "', "one two "),
        (r'K="one\ntwo"', "one\ntwo"),
        (r"K='one\ntwo'", r"one\ntwo"),
        ('K="one\ntwo"\n', "one\ntwo"),
        ("K='-----BEGIN\r\nEND-----'\r\n", "-----BEGIN\r\nEND-----"),
        ("K=a=b=", "a=b="),
        ("K=one\u2028two", "one\u2028two"),
        ("K=one\x85two", "one\x85two"),
        ("K=one\x0btwo\x1ethree", "one\x0btwo\x1ethree"),
        ('K="\u2028"', "\u2028"),
        ("K=$HOME and $(id)", "$HOME and $(id)"),
        ("A=1\nK=${A}2", "12"),
        ("K=${NONE:-other}", "other"),
        ("K=${OURS}", "ours"),
        ("OURS=theirs\nK=${OURS}", "theirs"),
        ("K=one\nK=two", "two"),
    ],
)
def test_a_value_is_what_python_dotenv_makes_of_it(holding, content, value):
    assert holding(content, {"OURS": "ours"})["K"] == value


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("A=1\n\nK", r"line 3 of the env file '.*' names 'K' without a value; write K=VALUE"),
        ("A=1\n\n\nK='hunter2\n", r"line 4 of the env file '.*' is not KEY=VALUE, or a quote"),
        ("=one", r"line 1 .* is not KEY=VALUE"),
        (b"A=1\nK=\xff\n", r"line 2 .* is not UTF-8; save the file as UTF-8"),
        ("\nK=${NONE}", r"line 2 .* uses '\$\{NONE\}', which is not set; set it before"),
        ("#" * (env_files.MAX_FILE_BYTES + 1), r"is larger than 262144 bytes"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_and_never_by_its_value(
    holding, content, complaint
):
    with pytest.raises(ConfigError, match=complaint) as refused:
        holding(content)
    assert "hunter2" not in str(refused.value)


def test_of_several_files_a_later_one_wins_and_the_others_stay(tmp_path):
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text("A=1\nB=1\nC=1\n")
    second.write_text("B=2\nD=${A}2\n")
    expected = {"A": "1", "B": "2", "C": "3", "D": "12"}
    assert variables(["C=3"], [first, second]) == expected
    files = ("--env-file", str(first), "--env-file", str(second))
    # Lambda takes no name of one letter.
    for file in (first, second):
        file.write_text("".join(f"MY_{line}\n" for line in file.read_text().split()))
    second.write_text(second.read_text().replace("${A}", "${MY_A}"))
    env = json.loads(process(*USUAL, "about", *files, "--env", "MY_C=3").stdout)["env"]
    assert {key[3:]: env[key] for key in env if key.startswith("MY_")} == expected


def test_a_variable_of_ones_own_is_passed_on_by_its_name():
    environ = {**os.environ, "STAGE": "a=b c", "OTHER": "kept back"}
    env = json.loads(process(*USUAL, "about", "--env", "STAGE", env=environ).stdout)["env"]
    assert (env["STAGE"], "OTHER" in env) == ("a=b c", False)


def test_a_variable_that_is_not_set_cannot_be_passed_on():
    with pytest.raises(UsageError, match="'NO_SUCH' is not set; export it, or write NO_SUCH=VALUE"):
        variables(["NO_SUCH"])


def test_bytes_that_are_no_text_are_refused_and_no_traceback(tmp_path):
    done = process("invoke", "app.handler", b"--env", b"STAGE=\xff", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"snapboot: variable 'STAGE' holds a null character or bytes")
    with pytest.raises(ConfigError, match="null character"):
        FunctionConfig("app.handler", env={"STAGE": "a\0b"})


def test_a_pipe_as_file_is_read_once_and_not_forgotten(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"STAGE=piped\n")
    os.close(writing)
    settings = FunctionConfig("app.handler", env_files=[f"/dev/fd/{reading}"], task_root=tmp_path)
    assert settings.reread().variables == {"STAGE": "piped"}
    os.close(reading)


def test_a_file_is_read_again_when_asked_to(tmp_path):
    file = tmp_path / "f.env"
    file.write_text("STAGE=old\nAWS_REGION=eu-west-1\n")
    settings = FunctionConfig("app.handler", env_files=[file], env={"KEPT": "here"})
    assert settings.identity.region == "eu-west-1"
    file.write_text("STAGE=new\n")
    assert settings.variables["STAGE"] == "old"
    assert settings.reread().variables == {"STAGE": "new", "KEPT": "here"}
