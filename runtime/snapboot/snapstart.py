"""SnapStart: from the end of Function Init across the snapshot to the first `next`."""

import sys

from .faults import AFTER_RESTORE_ERROR, BEFORE_SNAPSHOT_ERROR
from .hooks import registry
from .logs import log_report
from .report import Report
from .restore_safety import RestoreSafety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import RuntimeAPI

EXIT_BEFORE_SNAPSHOT = 64
EXIT_AFTER_RESTORE = 65


def pass_through_snapshot(api: "RuntimeAPI") -> None:
    """Run the hooks and wait for the restore between them. Exits when a hook fails."""
    try:
        if hasattr(sys, "set_lazy_imports"):
            from .lazy_imports import import_what_waits

            import_what_waits()
        if f"{__package__}.archive" in sys.modules:
            from .archive import archive_of

            for archive in filter(None, map(archive_of, sys.path_hooks)):
                archive.import_what_waits()
        safety = RestoreSafety()
        _run_before_hooks()
        safety.look()
        api.restore_next()
    except BaseException as exc:  # even SystemExit: the platform is to know which hook it was
        report = Report(exc, as_type=BEFORE_SNAPSHOT_ERROR)
        log_report(report)
        api.init_error(report)
        sys.exit(EXIT_BEFORE_SNAPSHOT)
    try:
        safety.renew()  # before the hooks, so that they start from what is sound
        _run_after_hooks()
        safety.warn()
    except BaseException as exc:
        report = Report(exc, as_type=AFTER_RESTORE_ERROR)
        log_report(report)
        api.restore_error(report)
        sys.exit(EXIT_AFTER_RESTORE)


def _run_before_hooks() -> None:
    hooks = registry().get_before_snapshot()
    while hooks:
        hook, args, kwargs = hooks.pop()
        _run(hook(*args, **kwargs))


def _run_after_hooks() -> None:
    for hook, args, kwargs in registry().get_after_restore():
        _run(hook(*args, **kwargs))


def _run(result: object) -> None:
    """Wait for what an asynchronous hook returns."""
    if hasattr(type(result), "__await__"):
        from .aio import environment_loop

        environment_loop.run(result)  # type: ignore[arg-type]
