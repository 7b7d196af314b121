"""What the packager reports: sizes by package, limits, and what to do next."""

import json
from pathlib import Path

import pytest

from snapboot_devkit.cli import package_report
from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.package import layout
from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.outputs import dockerfile
from snapboot_devkit.package.request import Imports, Lazy, Made, Packaged, PackageRequest
from snapboot_devkit.package.target import Architecture, Libc, Target
from tests.devkit.packages import filled, parts
from tests.fakes.contenders import ROOT

TARGET = Target((3, 13), Architecture.ARM64)


def request(form=Form.ZIP, **changes):
    settings = {
        "source": Path("src"),
        "handler": "app.handler",
        "form": form,
        "output": Path("dist"),
        "python": "3.13",
        "architecture": Architecture.ARM64,
    }
    return PackageRequest(**settings | changes)


def packaged(*made, **changes):
    settings = {
        "made": made,
        "target": TARGET,
        "interpreter": "CPython 3.13.1",
        "modules": 3,
        "parts": {"fruit": 3 * MIB, "your code": 20 * KIB},
        "limit": provided.MAX_CODE_BYTES,
        "warnings": (),
    }
    return Packaged(**settings | changes)


def test_sizes_are_reported_by_package(tmp_path):
    filled(
        tmp_path,
        {
            "app.py": "x" * 10,
            "fruit/__init__.py": "x" * 100,
            "fruit.libs/libfruit.so": "x" * 1000,
            "fruit_core.py": "x" * 50,
            "fruit-1.0.dist-info/RECORD": "fruit/__init__.py,,\nfruit.libs/libfruit.so,,\n"
            "fruit_core.py,,\nfruit-1.0.dist-info/RECORD,,\n../../bin/fruit,,\n",
            ".snapboot/python/bin/python3.13": "x" * 2000,
            ".snapboot/runtime/snapboot/__init__.py": "x" * 5,
            "snapboot.modules": "x" * 7,
        },
    )
    record = (tmp_path / "fruit-1.0.dist-info/RECORD").stat().st_size
    found = parts(tmp_path)
    assert found == {
        "the interpreter": 2000,
        "fruit": 1150 + record,
        "the function's own code": 10,
        "the module archive": 7,
        "the runtime": 5,
    }
    assert next(iter(found)) == "the interpreter"


def test_a_package_that_is_too_large_says_what_is_large_in_it():
    parts = {"pandas": 200 * MIB, "numpy": 60 * MIB, "your code": MIB}
    with pytest.raises(PackageError) as raised:
        sizes.check(parts, image=False)
    reported = str(raised.value)
    assert "takes 261.0 MB unpacked, and Lambda takes 250.0 MB" in reported
    assert "pandas 200.0 MB, numpy 60.0 MB" in reported
    assert "--as image" in reported


def test_a_package_at_the_limit_is_taken():
    sizes.check({"a": provided.MAX_CODE_BYTES}, image=False)


def test_small_sizes_are_reported_in_kilobytes():
    assert [sizes.megabytes(size) for size in (0, 2 * KIB, MIB)] == ["0.0 KB", "2.0 KB", "1.0 MB"]


def test_a_small_zip_is_uploaded_directly_and_a_large_one_by_s3():
    small = packaged(Made(Path("dist/function.zip"), 50 * MIB, 60 * MIB))
    (command,) = package_report.commands(small, request())
    assert "--runtime provided.al2023 --architectures arm64 --handler app.handler" in command
    assert "--zip-file fileb://dist/function.zip" in command
    large = packaged(Made(Path("dist/function.zip"), 50 * MIB + 1, 60 * MIB))
    copy, create = package_report.commands(large, request())
    assert copy == "aws s3 cp dist/function.zip s3://BUCKET/function.zip"
    assert "--code S3Bucket=BUCKET,S3Key=function.zip" in create
    assert "above 50.0 MB: by S3" in "\n".join(package_report.lines(large, request()))


def test_a_layer_is_published_before_the_function_that_names_it():
    made = packaged(
        Made(Path("dist/function.zip"), MIB, 2 * MIB), Made(Path("dist/layer.zip"), MIB, 2 * MIB)
    )
    publish, create = package_report.commands(made, request(Form.LAYER))
    assert publish.startswith("aws lambda publish-layer-version")
    assert create.endswith("--layers LAYER_VERSION_ARN")


def test_an_image_is_built():
    made = packaged(Made(Path("dist/image"), None, MIB), modules=None, interpreter=None)
    (command,) = package_report.commands(made, request(Form.IMAGE))
    assert command == ("docker build --provenance=false --platform linux/arm64 -t NAME dist/image")


def test_a_machine_gets_the_same_as_people():
    made = packaged(Made(Path("dist/function.zip"), MIB, 2 * MIB), warnings=("careful",))
    reported = package_report.document(made, request(), ())
    assert reported["files"] == [
        {"path": "dist/function.zip", "zipBytes": MIB, "sizeBytes": 2 * MIB}
    ]
    assert (reported["archiveModules"], reported["warnings"]) == (3, ["careful"])
    assert reported["sizes"] == {"fruit": 3 * MIB, "your code": 20 * KIB}


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"handler": "app"}, "the handler 'app' must be module.function"),
        ({"handler": ".handler"}, "must be module.function"),
        ({"libc": Libc.MUSL}, "provided.al2023 has glibc"),
        ({"form": Form.LAYER, "with_interpreter": False}, "--no-interpreter is for --as zip"),
        ({"layers": (Path("absent.zip"),)}, "there is no layer 'absent.zip'"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(changes, reported):
    with pytest.raises(PackageError, match=reported):
        request(**changes).check()


def test_the_bootstrap_is_the_repositorys_with_another_interpreter_and_folder():
    template = (ROOT / "bootstrap").read_text()
    text = layout.bootstrap(template, "/opt/.snapboot/python/bin/python3.13")
    first, _, rest = text.partition("\n")
    assert first == "#!/opt/.snapboot/python/bin/python3.13 -SsP"
    assert rest == template.partition("\n")[2].replace('"runtime"', '".snapboot/runtime"')
    assert '".snapboot/runtime"' in rest


def test_an_images_dockerfile_compiles_and_seals_with_the_bases_interpreter():
    text = dockerfile.dockerfile(
        request(Form.IMAGE, included=("late.*",)), TARGET, {"STAGE": "it's"}
    )
    steps = [line for line in text.splitlines() if not line.startswith(("#", " "))]
    assert [line.split()[0] for line in steps if line] == [
        "ARG", "FROM", "COPY", "USER", "RUN", "FROM", "COPY", "CMD",
    ]  # fmt: skip
    assert "sys.version_info[:2] == (3, 13)" in text
    assert "in_target compile /var/task --as /var/task" in text
    assert "--handler app.handler --runtime /var/runtime --if-importable --include 'late.*'" in text
    assert """'STAGE=it'"'"'s'""" in text
    assert 'CMD ["app.handler"]' in text


def test_without_an_archive_an_image_imports_nothing_as_it_is_built():
    text = dockerfile.dockerfile(request(Form.IMAGE), TARGET, None)
    assert " compile " in text
    assert " seal " not in text


def test_a_line_end_cannot_stand_in_a_dockerfile():
    with pytest.raises(PackageError, match="holds a line end"):
        dockerfile.dockerfile(request(Form.IMAGE), TARGET, {"KEY": "a\nRUN evil"})


def test_an_images_dockerfile_has_the_events_that_guide_its_imports_in_one_line_each():
    wanted = request(Form.IMAGE, lazy=Lazy.GUIDED, events=('{\n "it": "\'s"\n}', "1"))
    text = dockerfile.dockerfile(wanted, TARGET, {})
    assert """--lazy guided '--event={"it":"'"'"'s"}' --event=1""" in text


def test_more_events_than_a_shell_takes_in_one_line_are_refused():
    events = tuple(json.dumps("e" * 50_000) for _ in range(3))
    wanted = request(Form.IMAGE, lazy=Lazy.GUIDED, events=events)
    with pytest.raises(PackageError, match="which may have 120000: give fewer or smaller ones"):
        dockerfile.dockerfile(wanted, TARGET, {})


def test_the_report_names_imports_that_wait_and_the_reasons_of_those_that_do_not():
    imports = Imports({"other": ["tool, last"]}, {"app": ["x: used", "y: used", "z: bound"]})
    made = packaged(Made(Path("dist/function.zip"), 1, 1), imports=imports)
    text = "\n".join(package_report.lines(made, request()))
    assert "1 imports in 1 modules wait for their first use: other (tool, last)" in text
    assert "2 imports: used" in text
    document = package_report.document(made, request(), [])
    assert document["lazyImports"] == {"other": ["tool, last"]}
    assert document["eagerImports"]["app"][2] == "z: bound"
