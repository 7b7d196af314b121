"""What else is found in a package: each kind of finding, and the sound package beside it."""

import io
import os
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from snapboot_devkit.package.audit import AuditError, Severity, audit
from snapboot_devkit.package.binary.elf import needs
from snapboot_devkit.package.checks import sizes
from snapboot_devkit.package.contents import managed_packages
from snapboot_devkit.package.in_target.archive import ArchiveModule, archive
from snapboot_devkit.package.target import MAX_GLIBC
from tests.devkit.audited import (
    LONG,
    codes,
    compile_all,
    distribution,
    filled,
    found,
    zipped,
)
from tests.fakes import boto
from tests.fakes.sealed import seal

EXTENSIONS = sorted(Path(sysconfig.get_config_var("DESTSHARED") or "/nowhere").glob("*.so"))
APP = "def handler(event, context): return event\n"
NOW = f"{sys.version_info[0]}{sys.version_info[1]}"
OTHER = "312" if NOW != "312" else "313"


def sound(tmp_path, files=()):
    """Return a folder with nothing to find, but for what the given files bring."""
    return compile_all(filled(tmp_path / "code", {"app.py": APP} | dict(files)))


GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0"}


def is_anywhere(path):
    """Tell whether an extension module needs nothing that a machine of Lambda's may lack."""
    needed = needs(path)
    return (needed.glibc or (0, 0)) <= MAX_GLIBC and set(needed.libraries) <= GLIBC


def extension(folder, name):
    """Put an extension module of this Python into a folder."""
    if not EXTENSIONS:
        pytest.skip("this Python has no extension modules in files of their own")
    path = next(filter(is_anywhere, EXTENSIONS), None)
    if path is None:
        pytest.skip("each extension module of this Python needs more than an old glibc")
    shutil.copyfile(path, folder / name)
    (folder / name).chmod(0o644)
    return folder / name


def test_a_sound_package_has_no_findings(tmp_path):
    report = audit(sound(tmp_path))
    assert (codes(report), report.worst, report.place) == ({}, None, "managed")


# ---- what the runtime provides ---------------------------------------------------------------


@pytest.fixture
def sdk(tmp_path):
    files = {"boto3/__init__.py": "", "orjson/__init__.py": "", "awslambdaric/__init__.py": ""}
    for name in ("boto3", "orjson", "awslambdaric"):
        files |= distribution(name, "1.0", f"{name}/__init__.py")
    return compile_all(filled(tmp_path / "code", {"app.py": APP} | files))


@pytest.mark.parametrize(
    ("files", "target", "named"),
    [
        ({}, "provided.al2023", ["boto3", "dateutil"]),
        ({}, "image", ["boto3", "dateutil"]),
        ({}, "python3.13", []),
        ({}, None, []),
        ({"snapboot.modules": b""}, None, ["boto3", "dateutil"]),
        ({"boto3/__init__.py": ""}, "provided.al2023", ["dateutil"]),
        ({"boto3.py": "", "dateutil/__init__.py": ""}, "provided.al2023", []),
    ],
)  # fmt: skip
def test_what_only_aws_runtimes_have_is_named_where_the_target_has_it_not(
    tmp_path, files, target, named
):
    code = "import boto3, json\ndef handler(event, context):\n    from dateutil import tz\n"
    folder = compile_all(filled(tmp_path / "package", {"app.py": code} | files))
    found = [one for one in audit(folder, target=target).findings if one.code == "managed-import"]
    assert len(found) == bool(named)
    for one in found:
        assert (one.severity, one.path) == (Severity.WARNING, "app.py")
        assert [name for name in managed_packages.PACKAGES if f"{name} (" in one.message] == named
        assert "--managed-packages" in one.remedy


def test_an_import_of_a_dependency_or_of_what_the_runtime_brings_is_not_named(tmp_path):
    files = {
        "app.py": "import urllib3\n",
        "lib/__init__.py": "import boto3\n",
        "lib-1.dist-info/RECORD": "lib/__init__.py,,\n",
        "broken.py": "import boto3 (\n",
    }
    folder = compile_all(filled(tmp_path, {name: files[name] for name in list(files)[:3]}))
    (folder / "broken.py").write_text(files["broken.py"])
    assert "managed-import" not in codes(audit(folder, target="provided.al2023"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_layer_may_have_it_and_counts_towards_the_limit(tmp_path, packed):
    code = compile_all(filled(tmp_path / "package", {"app.py": "import boto3\n"}))
    layer = filled(tmp_path / "layer", {"python/boto3/__init__.py": "", "data": b"\0" * 5000})
    given = zipped(layer, tmp_path / "layer.zip") if packed else layer
    assert codes(audit(code, target="image", layers=[given])) == {}
    assert sizes.of_layers([given, given]) == {f"the layer {given.name!r}": 10_000}
    with (layer / "large").open("wb") as file:
        file.truncate(250 * 1024 * 1024)
    report = audit(code, target="provided.al2023", layers=[layer])
    assert codes(report)["too-large"] == "error"
    assert "managed-import" not in codes(report)
    assert "the layer 'layer' 250.0 MB" in report.findings[0].message


def test_boto3_is_in_the_managed_runtime_and_in_no_other(sdk):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    finding = found(sdk, "provided", target=f"python{version}")
    assert (finding.severity.value, "boto3 1.0" in finding.message) == ("warning", True)
    assert "boto3" not in found(sdk, "provided", target="provided.al2023").message


def test_a_distribution_has_the_same_size_in_a_finding_as_in_the_report(sdk):
    report = audit(sdk, target=f"python3.{sys.version_info[1]}")
    (message,) = (one.message for one in report.findings if one.code == "provided")
    assert f"boto3 1.0 ({sizes.megabytes(report.sizes['boto3'])})" in message


def test_nothing_is_to_be_left_out_for_a_runtime_that_is_only_supposed(sdk):
    finding = found(sdk, "provided")
    assert finding.severity.value == "note"
    assert finding.remedy.startswith("keep it, unless")


def test_the_runtime_says_which_python_the_package_is_for(tmp_path):
    folder = sound(tmp_path)
    extension(folder, f"fast.cpython-{NOW}-x86_64-linux-gnu.so")
    assert "wrong-python" not in codes(audit(folder, target=f"python3.{NOW[1:]}"))
    report = audit(folder, target=f"python3.{OTHER[1:]}")
    assert (report.place, report.python) == ("managed", f"Python 3.{OTHER[1:]}")
    assert codes(report)["wrong-python"] == "error"


@pytest.mark.parametrize(
    "handler",
    ["api-gateway-authorizer-python.lambda_handler", "01_job.handler", "get-user/app.handler"],
)
def test_handlers_that_are_no_identifiers_are_audited(tmp_path, handler):
    path = f"{handler.rpartition('.')[0]}.py"
    report = audit(filled(tmp_path / "code", {path: LONG}), handler=handler)
    assert (report.measured.modules, codes(report)) == (1, {"bytecode-missing": "warning"})


def test_a_folder_around_the_whole_code_is_found_where_no_handler_names_it(tmp_path):
    folder = compile_all(filled(tmp_path / "code", {"shop/app.py": APP, "shop/prices.py": ""}))
    finding = found(folder, "enclosing-folder")
    assert (finding.severity, finding.message) == ("error", "all files are in the folder 'shop'")
    assert "(cd shop && zip -r ../function.zip .)" in finding.remedy
    assert codes(audit(folder, handler="shop.app.handler")) == {}
    with pytest.raises(AuditError, match=r"'app.handler'; all files are in the folder 'shop': zip"):
        audit(folder, handler="app.handler")


def test_a_package_alone_is_no_folder_around_the_code(tmp_path):
    files = {"shop/__init__.py": "", "shop/app.py": APP}
    assert codes(audit(compile_all(filled(tmp_path / "code", files)))) == {}


def test_a_wheel_with_helpers_for_several_architectures_is_sound(tmp_path):
    own = f"fast.cpython-{NOW}-x86_64-linux-gnu.so"
    names = [f"pilot/{system}/manager" for system in ("linux", "arm")]
    files = {"pilot/__init__.py": "", "pilot/mac/lib.dylib": b"\xcf\xfa\xed\xfe\0\0\0\0"}
    files |= distribution("pilot", "1", *names, *files)
    folder = sound(tmp_path, files)
    extension(folder, own)
    for name in names:
        (folder / name).parent.mkdir(mode=0o755, exist_ok=True)
        extension(folder, name).chmod(0o755)
    foreign = bytearray((folder / names[1]).read_bytes())
    foreign[18:20] = (243).to_bytes(2, "little")
    for name in names:
        (folder / name).write_bytes(foreign)
    report = audit(folder)
    assert report.architecture == needs(folder / own).machine  # and not what most files are for
    assert codes(report) == {"wrong-architecture": "note", "other-system": "note"}


def test_what_a_distribution_has_in_itself_is_no_second_one(tmp_path):
    vendored = {
        f"setuptools/_vendor/{path}": content
        for path, content in ({"wheel.py": ""} | distribution("wheel", "1", "wheel.py")).items()
    }
    files = {"setuptools/__init__.py": "", **vendored}
    files |= distribution("setuptools", "80", *files)
    report = audit(sound(tmp_path, files))
    assert codes(report) == {}
    assert "wheel" not in report.sizes


def test_orjson_is_beside_snapboot_which_is_worth_a_note(sdk):
    finding = found(sdk, "provided", target="provided")
    assert finding.severity.value == "note"
    assert "orjson 1.0" in finding.message


def test_the_incumbents_client_is_needed_in_its_own_image_alone(sdk):
    assert found(sdk, "runtime-client").severity.value == "warning"
    assert found(sdk, "runtime-client", target="provided").severity.value == "warning"
    assert found(sdk, "runtime-client", target="image").severity.value == "note"


# ---- platforms -------------------------------------------------------------------------------


def test_an_extension_of_this_python_and_machine_is_sound(tmp_path):
    folder = sound(tmp_path)
    extension(folder, f"fast.cpython-{NOW}-x86_64-linux-gnu.so")
    assert codes(audit(folder)) == {}


def test_an_extension_of_another_python_cannot_be_imported(tmp_path):
    folder = sound(tmp_path)
    extension(folder, f"fast.cpython-{OTHER}-x86_64-linux-gnu.so")
    finding = found(folder, "wrong-python", python=sys.executable)
    assert finding.severity.value == "error"
    assert f"for Python 3.{OTHER[1:]}" in finding.message


def test_an_extension_for_several_pythons_is_sound_if_one_is_the_right_one(tmp_path):
    folder = sound(tmp_path)
    extension(folder, f"fast.cpython-{OTHER}-x86_64-linux-gnu.so")
    extension(folder, f"fast.cpython-{NOW}-x86_64-linux-gnu.so")
    assert "wrong-python" not in codes(audit(folder, python=sys.executable))


def test_another_machine_is_an_error(tmp_path):
    folder = sound(tmp_path)
    path = extension(folder, "libfast.so")
    other = "arm64" if needs(path).machine == "x86_64" else "x86_64"
    assert other in found(folder, "wrong-architecture", architecture=other).message


def test_mixed_machines_are_reported_without_being_asked(tmp_path):
    folder = sound(tmp_path)
    extension(folder, "one.so")
    extension(folder, "two.so")
    odd = extension(folder, "odd.so")
    content = bytearray(odd.read_bytes())
    content[18:20] = (243).to_bytes(2, "little")
    odd.write_bytes(content)
    finding = found(folder, "wrong-architecture")
    assert (finding.path, "EM_RISCV" in finding.message) == ("odd.so", True)


def test_a_library_for_macos_is_an_error(tmp_path):
    folder = sound(tmp_path, {"fast.so": b"\xcf\xfa\xed\xfe\0\0\0\0"})
    assert "macOS" in found(folder, "other-system").message


def test_a_damaged_library_is_an_error(tmp_path):
    folder = sound(tmp_path, {"fast.so": b"\x7fELF\x02\x01\x01"})
    assert found(folder, "elf-damaged").severity.value == "error"


@pytest.mark.parametrize(
    ("tag", "place", "fits"),
    [
        ("py3-none-any", "managed", True),
        ("py2.py3-none-any", "managed", True),
        (f"cp{NOW}-cp{NOW}-manylinux_2_17_x86_64.manylinux2014_x86_64", "managed", True),
        ("cp39-abi3-manylinux_2_34_x86_64", "managed", True),
        ("py3-none-manylinux_2_28_x86_64", "managed", True),
        (f"cp{OTHER}-cp{OTHER}-manylinux_2_17_x86_64", "managed", False),
        (f"cp{NOW}-cp{NOW}-manylinux_2_35_x86_64", "managed", False),
        (f"cp{NOW}-cp{NOW}-manylinux_2_35_x86_64", "image", True),
        (f"cp{NOW}-cp{NOW}-manylinux_2_17_aarch64", "managed", False),
        (f"cp{NOW}-cp{NOW}-musllinux_1_2_x86_64", "managed", False),
        (f"cp{NOW}-cp{NOW}-musllinux_1_2_x86_64", "image", True),
        (f"cp{NOW}-cp{NOW}-macosx_11_0_arm64", "managed", False),
        (f"cp{NOW}-cp{NOW}-win_amd64", "managed", False),
        ("cp399-abi3-manylinux_2_17_x86_64", "managed", False),
    ],
)
def test_a_wheel_fits_by_its_tags(tmp_path, tag, place, fits):
    files = {"fast.py": ""} | distribution("fast", "1.0", "fast.py", tag=tag)
    folder = sound(tmp_path, files)
    report = audit(folder, python=sys.executable, target=place, architecture="x86_64")
    assert ("wrong-wheel" not in codes(report)) is fits


# ---- permissions and bootstrap ---------------------------------------------------------------


def test_a_file_that_its_owner_alone_can_read_is_an_error(tmp_path):
    folder = sound(tmp_path)
    (folder / "app.py").chmod(0o640)
    assert found(folder, "unreadable-file").path == "app.py"


def test_a_folder_that_others_cannot_enter_is_an_error(tmp_path):
    folder = sound(tmp_path, {"data/file": "1"})
    (folder / "data").chmod(0o744)
    assert found(folder, "closed-folder").path == "data"


def test_the_mode_that_python_gives_a_zips_entries_by_itself_is_an_error(tmp_path):
    path = tmp_path / "function.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("app.py", APP)
    assert found(path, "unreadable-file").path == "app.py"


STARTS = {
    "sh": ("#!/bin/sh\nexec true\n", {}),
    "env": ("#!/usr/bin/env bash\n", {}),
    "crlf": ("#!/bin/sh\r\nexec true\r\n", {"bootstrap-crlf": "error"}),
    "python": ("#!/usr/bin/env -S python3 -SsP\n", {"bootstrap-interpreter": "error"}),
    "elsewhere": ("#!/usr/local/bin/python3\n", {"bootstrap-interpreter": "error"}),
    "layer": ("#!/opt/python3\n", {"bootstrap-interpreter": "warning"}),
    "absent": ("#!/var/task/python3\n", {"bootstrap-interpreter": "error"}),
    "inside": ("#!/var/task/bin/python3 -SsP\n", {}),
    "none": ("exec true\n", {"bootstrap-format": "error"}),
    "empty": ("#!\n", {"bootstrap-format": "error"}),
}


@pytest.mark.parametrize(("text", "expected"), STARTS.values(), ids=STARTS)
def test_a_bootstrap_must_begin_with_an_interpreter_that_is_there(tmp_path, text, expected):
    folder = sound(tmp_path, {"bootstrap": text, "bin/python3": "#!/bin/sh\n"})
    (folder / "bin/python3").chmod(0o755)
    assert codes(audit(folder)) == expected


def test_a_bootstrap_that_cannot_be_executed_is_an_error(tmp_path):
    folder = sound(tmp_path, {"bootstrap": "#!/bin/sh\n"})
    (folder / "bootstrap").chmod(0o744)
    assert "0744" in found(folder, "bootstrap-mode").message


def test_without_a_bootstrap_the_layer_must_have_one(tmp_path):
    assert codes(audit(sound(tmp_path), target="provided")) == {"bootstrap-missing": "note"}


# ---- names, sizes, .pth ----------------------------------------------------------------------


def test_a_file_of_two_distributions_is_reported_with_both(tmp_path):
    files = (
        {"both.py": ""} | distribution("one", "1", "both.py") | distribution("two", "2", "both.py")
    )
    assert found(sound(tmp_path, files), "written-twice").message.startswith("one 1 and two 2")


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"calendar.py": ""}, "shadows-stdlib"),
        ({"queue/__init__.py": ""}, "shadows-stdlib"),
        ({"tool.py": "", "tool/__init__.py": ""}, "module-and-package"),
        ({"tool.py": "", "Tool.py": ""}, "case-only"),
    ],
)
def test_names_that_stand_for_two_things_are_reported(tmp_path, files, code):
    assert codes(audit(sound(tmp_path, files))) == {code: "warning"}


def test_a_pth_that_runs_code_is_worse_than_one_that_names_folders(tmp_path):
    name = "hook.pth"
    folder = sound(tmp_path, {name: "# why\nimport hook\n"})
    finding = found(folder, "site-file")
    assert finding.severity.value == "warning"
    assert "'import hook'" in finding.message
    filled(folder, {name: "vendored\n"})
    assert found(folder, "site-file").severity.value == "note"


def test_the_pth_file_that_comes_with_setuptools_fails_no_audit(tmp_path):
    code = "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; os.environ.get(var)\n"
    folder = compile_all(filled(tmp_path, {"app.py": "", "distutils-precedence.pth": code}))
    report = audit(folder)
    assert codes(report)["site-file"] == "note"
    assert not report.fails(Severity.WARNING)


def test_a_package_above_the_limit_names_its_largest_parts(tmp_path):
    folder = sound(tmp_path, {"large/model": "", "small/data": "1"})
    os.truncate(folder / "large/model", 251 * 1024 * 1024)
    finding = found(folder, "too-large")
    assert "251.0 MB unpacked" in finding.message
    assert "the largest: large 251.0 MB" in finding.message
    assert codes(audit(folder, target="image")) == {}


def test_sizes_are_those_of_distributions(tmp_path):
    files = {"lib/data.bin": "12345"} | distribution("Some.Lib", "1", "lib/data.bin")
    report = audit(sound(tmp_path, files))
    assert report.sizes["some-lib"] == 5 + sum(map(len, list(files.values())[1:]))
    assert report.size == sum(report.sizes.values())


# ---- the module archive ----------------------------------------------------------------------


def sealed(folder, *names):
    """Seal modules of a folder."""
    import importlib.util
    import marshal

    modules = []
    for name in names:
        source = (folder / f"{name}.py").read_bytes()
        code = marshal.dumps(compile(source, name, "exec"))
        hashed = importlib.util.source_hash(source)
        modules.append(ArchiveModule(name, "t", f"{name}.py", code, hashed))
    (folder / "snapboot.modules").write_bytes(archive(modules, ["t"]))
    (folder / "snapboot.modules").chmod(0o644)
    return folder


def with_interpreter(tmp_path):
    """Make a package with what shows its interpreter: the program and its library."""
    release = f"{sys.version_info[0]}.{sys.version_info[1]}"
    prefix = Path(sys.base_prefix)
    files = [prefix / f"bin/python{release}", *prefix.glob(f"lib/libpython{release}.so.*")]
    if not files[0].is_file():
        pytest.skip("this interpreter lies in no bin/")
    content = {f".snapboot/python/{path.relative_to(prefix)}": path.read_bytes() for path in files}
    stdlib = {f".snapboot/python/lib/python{release}/os.py": ""}
    return sound(tmp_path, {**content, **stdlib}), content


def test_the_release_is_that_of_the_interpreter_in_the_package(tmp_path):
    folder, _ = with_interpreter(tmp_path)
    sealed(folder, "app")
    assert not {"archive-version", "archive-refused"} & set(codes(audit(folder)))


def test_what_only_a_debugger_reads_is_worth_a_note(tmp_path):
    folder, files = with_interpreter(tmp_path)
    total = 0
    for content in files.values():
        sections = ELFFile(io.BytesIO(content)).iter_sections()
        total += sum(one["sh_size"] for one in sections if one.name.startswith(".debug_"))
    messages = [one.message for one in audit(folder).findings if one.code == "debug-sections"]
    assert [one.split(" MB")[0] for one in messages] == (
        [f"{total / 2**20:.1f}"] if total >= 2**20 else []
    )


def test_what_is_in_the_archive_is_not_compiled(tmp_path):
    folder = sealed(filled(tmp_path / "code", {"app.py": LONG}), "app")
    report = audit(folder, python=sys.executable)
    assert (report.measured, report.cost_s) == (None, 0.0)
    assert codes(report) == {"bootstrap-missing": "note"}


def test_a_source_that_changed_after_sealing_is_an_error(tmp_path):
    folder = sealed(sound(tmp_path), "app")
    filled(folder, {"app.py": f"{APP}# changed\n"})
    compile_all(folder)
    assert "'app'" in found(folder, "archive-stale").message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: (data / "sqs/2012-11-05/service-2.json.gz").write_bytes(b""), "service-2"),
        (lambda data: (data / "partitions.json").unlink(), "partitions"),
        (lambda data: shutil.copytree(data / "sqs", data / "mine"), "/*/*/service-2"),
        (lambda data: shutil.rmtree(data / "s3"), "/*/*/service-2"),
    ],
)
def test_data_that_changed_after_sealing_is_an_error(tmp_path, change, named):
    folder = filled(tmp_path / "code", {"app.py": f"import boto3\nc = boto3.client('sqs')\n{APP}"})
    data = boto.place(folder, ["sqs", "s3"])
    seal(folder, "app.handler", place="/var/task", **boto.VARIABLES)
    assert "archive-stale" not in codes(audit(folder))
    change(data)
    assert named in found(folder, "archive-stale").message


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({}, False),
        ({"plug-1.dist-info/entry_points.txt": "[plugs]\nb = plug:b\n"}, True),
        ({"more-1.dist-info/entry_points.txt": "[plugs]\nc = plug:c\n"}, True),
        ({"data/entry_points.txt": "[plugs]\nc = plug:c\n"}, False),
    ],
)
def test_entry_points_of_the_function_s_own_folder_are_compared_with_what_was_sealed(
    tmp_path, change, stale
):
    code = (
        f"from importlib.metadata import entry_points\nFOUND = entry_points(group='plugs')\n{APP}"
    )
    info = "plug-1.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: plug\nVersion: 1\n",
        f"{info}/entry_points.txt": "[plugs]\na = plug:a\n",
    }
    folder = filled(tmp_path / "code", {"app.py": code} | files)
    seal(folder, "app.handler", place="/var/task")
    filled(folder, change)
    packed = zipped(folder, tmp_path / "code.zip")
    for place in (folder, packed):
        assert (codes(audit(place)).get("archive-stale") == "error") == stale


def test_a_sealed_module_that_is_not_in_the_package_is_an_error(tmp_path):
    folder = sealed(sound(tmp_path, {"gone.py": ""}), "app", "gone")
    (folder / "gone.py").unlink()
    assert "'gone'" in found(folder, "archive-foreign").message


@pytest.mark.parametrize(
    ("at", "content", "reason"),
    [
        (0, b"other", "begin"),
        (16, b"\0\0", "package is for Python"),
        (20, b"\0", "package is for Python"),
        (24, b"\1", "bytes"),
        (48, b"\0\0\0\0", "index is damaged"),
        (70, b"\xff\xff\xff", "code of 'app' in it is damaged"),
    ],
)
def test_an_archive_that_the_runtime_refuses_is_a_warning(tmp_path, at, content, reason):
    folder = sealed(sound(tmp_path), "app")
    path = folder / "snapboot.modules"
    damaged = bytearray(path.read_bytes())
    damaged[at : at + len(content)] = content
    path.write_bytes(damaged)
    finding = found(folder, "archive-refused", python=sys.executable)
    assert finding.severity.value == "warning"
    assert reason in finding.message


# ---- images ----------------------------------------------------------------------------------


def test_the_root_of_an_image_is_audited_where_a_function_runs_from(tmp_path):
    root = filled(
        tmp_path / "root",
        {
            "var/task/app.py": "import json\n",
            "var/runtime/bootstrap": "#!/usr/local/bin/python3\n",
            "var/runtime/snapboot/__init__.py": "",
            f"usr/local/lib/python3.{NOW[1:]}/os.py": "",
            f"usr/local/lib/python3.{NOW[1:]}/json/__init__.py": LONG,
            "etc/secret": "",
        },
    )
    (root / "etc/secret").chmod(0)
    report = audit(root)
    assert (report.form, report.place) == ("image", "image")
    assert codes(report) == {"bytecode-missing": "warning"}
    worst = report.findings[0].message
    assert "the interpreter: 2 of 2 modules have no bytecode; the start imports 1 module" in worst


def test_a_build_context_is_compiled_by_its_dockerfile(tmp_path):
    files = {"Dockerfile": "FROM base\nRUN python -m compileall /var/task\n", "task/app.py": LONG}
    report = audit(filled(tmp_path / "image", files))
    assert (report.form, codes(report)) == ("build context", {})
    filled(tmp_path / "image", {"Dockerfile": "FROM base\nCOPY task/ /var/task/\n"})
    assert codes(audit(tmp_path / "image")) == {"bytecode-missing": "warning"}


# ---- what cannot be audited ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"python": "no-such-python"}, "'no-such-python'"),
        ({"python": "/bin/true"}, "is not a Python interpreter"),
        ({"target": "moon"}, "'moon'.*give provided.al2023, image, or"),
        ({"handler": "absent.handler"}, "no module for the handler 'absent.handler'"),
    ],
)
def test_terms_that_cannot_be_met_are_refused(tmp_path, settings, reason):
    with pytest.raises(AuditError, match=reason):
        audit(sound(tmp_path), **settings)
