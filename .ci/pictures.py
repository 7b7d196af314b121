"""Profile functions as people write them, and write the pictures in docs/profiling/ of them.

Each is packaged as pip leaves it, with bytecode. Needs Chromium, and a package index once. Names of
functions choose among all; other arguments go to `snapboot profile`, such as `--runs 10`.
"""

import compileall
import html
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from benchmarks import packages  # noqa: E402
from benchmarks.machine import interpreter_at  # noqa: E402
from snapboot_devkit.profile import html as page_html  # noqa: E402
from snapboot_devkit.profile import page  # noqa: E402
from tests.devkit.chromium import Chromium, program  # noqa: E402

FOLDER = ROOT / "docs" / "profiling"
MOST_BYTES = 150_000
COLOURS = 256
TERMINAL_PX = 860
# Of a page that goes on for thousands of pixels: the bars, the flame view, the first imports.
PAGE_PX = {375: 1250, 1440: 1150}
TERMINAL = """<!doctype html><meta charset=utf-8><style>
body {{ margin: 0; padding: 12px 16px; background: #15181c; color: #e6e9ec; }}
pre {{ margin: 0; font: 13px/1.3 "DejaVu Sans Mono", monospace; }}
</style><pre>{text}</pre>"""

PYDANTIC = packages.Function(
    "pydantic",
    "from pydantic import BaseModel\n\n\n"
    "class Order(BaseModel):\n    number: int\n    paid: bool = False",
    ("pydantic==2.14.4",),
    "def handler(event, context):\n    return Order(**event).model_dump()",
)
FUNCTIONS = {
    "boto3": (packages.CLIENT, "{}"),
    "powertools": (packages.POWERTOOLS, "{}"),
    "fastapi": (packages.FASTAPI, "{}"),
    "pandas": (packages.PANDAS, "{}"),
    "pydantic": (PYDANTIC, '{"number": 1}'),
}
# Whose page is shown, too, in each of its forms.
SHOWN = "boto3"


def profiled(name: str, folder: Path, options: list[str]) -> dict[str, object]:
    """Return the profile of a function, packaged in a folder as pip leaves it."""
    function, event = FUNCTIONS[name]
    source = packages.installed(interpreter_at(Path(sys.executable)), function)
    shutil.copytree(source, folder)
    (folder / "app.py").write_text(function.source, encoding="utf-8")
    for each in (folder, ROOT / "runtime"):
        compileall.compile_dir(each, quiet=2)
    named = ("--task-root", str(folder), "--event", event, "--env", "AWS_DEFAULT_REGION=eu-west-1")
    command = [sys.executable, "-m", "snapboot_devkit", "profile", "app.handler", *named]
    done = subprocess.run([*command, "--json", *options], stdout=subprocess.PIPE, check=True)
    # As if it had been typed beside the folder.
    found: dict[str, object] = json.loads(done.stdout.decode().replace(str(folder), "src"))
    return found


def pictured(name: str, profile: dict[str, object], browser: Chromium, scratch: Path) -> None:
    """Write the picture of what a terminal shows, and of the page where that is shown."""
    event = FUNCTIONS[name][1]
    typed = f"$ snapboot profile app.handler --task-root src --event '{event}'\n"
    terminal = scratch / "terminal.html"
    text = html.escape(typed + page.rendered(profile))
    terminal.write_text(TERMINAL.format(text=text), encoding="utf-8")
    browser.look(TERMINAL_PX)
    browser.open(terminal)
    taken(browser, FOLDER / f"{name}.png")
    if name != SHOWN:
        return
    document = scratch / "page.html"
    document.write_text(page_html.page(profile), encoding="utf-8")
    for width, height in PAGE_PX.items():
        for scheme in ("light", "dark"):
            browser.look(width, dark=scheme == "dark")
            browser.open(document)
            taken(browser, FOLDER / f"{name}-{width}-{scheme}.png", height)


def taken(browser: Chromium, path: Path, most_px: int | None = None) -> None:
    """Write what the browser shows, in as few colours as it takes to look the same."""
    browser.picture(path, most_px)
    with Image.open(path) as picture:
        fewer = picture.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    fewer.save(path, optimize=True)


def main(arguments: list[str]) -> int:
    """Take the pictures; return 1 when one is larger than the repository wants it."""
    browser_program = program()
    if browser_program is None:
        sys.exit("found no Chromium; install it, or name it in BROWSER")
    names = [one for one in FUNCTIONS if one in arguments] or list(FUNCTIONS)
    options = [one for one in arguments if one not in FUNCTIONS]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        profiles = {name: profiled(name, Path(scratch) / name, options) for name in names}
        with Chromium(browser_program, Path(scratch) / "browser") as browser:
            for name, profile in profiles.items():
                pictured(name, profile, browser, Path(scratch))
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > MOST_BYTES]
    print("larger than wanted:" if large else "written:", ", ".join(large) or FOLDER)
    return bool(large)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
