"""Start this folder as a program, under a package name that no function has."""

import sys

FOLDER = __file__.rpartition("/")[0]
PACKAGE = "snapboot_in_target"

if __name__ == "__main__":
    sys.path.remove(FOLDER)  # else each file here would be a top-level module
    from importlib import import_module
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(
        PACKAGE, f"{FOLDER}/__init__.py", submodule_search_locations=[FOLDER]
    )
    assert spec is not None
    sys.modules[PACKAGE] = module_from_spec(spec)
    sys.exit(import_module(f"{PACKAGE}.command").main(sys.argv[1:]))
