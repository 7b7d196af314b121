"""The phases of this init as one line of JSON: what `SNAPBOOT_INIT_REPORT=1` has printed.

`snapboot profile --logs` reads it. Cold, and never loaded without the setting; with it the whole
takes less than 0.2 ms, and so it has no class and calls no encoder.
"""

import sys
from _json import encode_basestring_ascii as quoted
from time import perf_counter_ns, process_time_ns

from . import _LOADED_AT, __version__
from .environment import environment, variable


def write_init_report(began_ns: int, modules: int) -> None:
    """Print the line; Function Init began at `began_ns`, with so many modules loaded.

    The interpreter's start is known by its CPU time alone.
    """
    loaded_ns, interpreter_ns = _LOADED_AT
    ended_ns = perf_counter_ns()
    kind = variable("AWS_LAMBDA_INITIALIZATION_TYPE") or "on-demand"
    line = (
        f'{{"snapbootInit":{{"interpreterCpuMs":{interpreter_ns // 1000 / 1000},'
        f'"runtimeInitMs":{(began_ns - loaded_ns) // 1000 / 1000},'
        f'"functionInitMs":{(ended_ns - began_ns) // 1000 / 1000},'
        f'"cpuMs":{process_time_ns() // 1000 / 1000},'
        f'"modules":{len(sys.modules) - modules},"initializationType":{quoted(kind)},'
        f'"python":{quoted(sys.version.partition(" ")[0])},"snapboot":{quoted(__version__)}}}}}\n'
    )
    if environment.log_fd is not None:
        from .logs import sink

        sink().write(line)
    elif sys.stdout is not None:
        sys.stdout.write(line)
