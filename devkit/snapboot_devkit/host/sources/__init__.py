"""Where a function's code comes from: folders, zip files, layers."""
