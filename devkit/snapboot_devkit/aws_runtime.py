"""A stand-in for AWS's managed Python runtimes: what is in /var/runtime, after public copies of it.

AWS's own files cannot be downloaded but with its images. These do the same in our own words: the
first honours AWS_LAMBDA_EXEC_WRAPPER, the second lays out `sys.path` and starts AWS's client.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# What /var/runtime has; boto3 brings botocore, s3transfer, jmespath, dateutil, six and urllib3.
PACKAGES: Final = ("awslambdaric>=4.2.2", "boto3", "snapshot-restore-py")
BOOTSTRAP: Final = "bootstrap"
NAME: Final = re.compile(r"python(3\.\d+)")

_BOOTSTRAP: Final = """\
    #!/bin/sh
    export AWS_EXECUTION_ENV=AWS_Lambda_{name}
    if [ -z "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        exec "{python}" "{folder}/bootstrap.py"
    elif [ ! -f "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: does not exist"
        exit 127
    elif [ ! -x "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"
        exit 126
    fi
    exec "$AWS_LAMBDA_EXEC_WRAPPER" "{python}" "{folder}/bootstrap.py"
    """
_SCRIPT: Final = """\
    import os
    import site
    import sys

    import awslambdaric.__main__ as awslambdaricmain


    def main():
        packages = "lib/python{}.{}/site-packages".format(*sys.version_info[:2])
        task_root = os.environ["LAMBDA_TASK_ROOT"]
        site_folders = [task_root]
        if "PYTHONPATH" not in os.environ:
            if sys.version_info >= (3, 11):
                sys.path.insert(0, os.path.join(sys.prefix, packages))
            layers = [os.path.join("/opt/python", packages), "/opt/python"]
            sys.path[:0] = layers
            site_folders += layers
        sys.path.insert(0, task_root)
        for folder in site_folders:
            site.addsitedir(folder)
        os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])
        awslambdaricmain.main([task_root, os.environ["_HANDLER"]])


    if __name__ == "__main__":
        main()
    """


def write_scripts(folder: Path, name: str, python: str, place: str | None = None) -> None:
    """Write what is started in /var/runtime into a folder, which will lie at `place`.

    `name` is the runtime's, `python3.13`; `python` is the path of its interpreter there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _BOOTSTRAP.format(name=name, python=python, folder=place or folder)
    (folder / BOOTSTRAP).write_text(textwrap.dedent(text), "utf-8")
    (folder / BOOTSTRAP).chmod(0o755)
    (folder / f"{BOOTSTRAP}.py").write_text(textwrap.dedent(_SCRIPT), "utf-8")
