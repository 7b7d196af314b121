"""SnapStart's snapshots on this machine: a process that clones itself for each environment.

`snapshot` is the host's end; the other modules run in the function's interpreter.
"""
