"""Where a function's code comes from: folders, zip files, layers."""

from snapboot_devkit.host.sources.code import (
    MAX_LAYERS,
    Code,
    ExtensionFile,
    prepare,
    temporary_folder,
)

__all__ = ["MAX_LAYERS", "Code", "ExtensionFile", "prepare", "temporary_folder"]
