"""AWS's Python runtime by its package's name, for the tools that import it to patch it.

Found last on `sys.path`: an installed awslambdaric comes before it. Importing this loads
`snapboot.aws_names`, which has what the tools look for.
"""

import snapboot.aws_names  # noqa: F401

__path__: list[str] = []
