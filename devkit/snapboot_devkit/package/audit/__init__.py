"""What would make a package start slowly, or not at all: `snapboot audit`.

A check looks at a `Package` (a folder or a zip, read without trust) and yields findings. Nothing
of the package is ever executed: its modules are parsed and compiled by a process of their own.
"""

from snapboot_devkit.package.audit.auditing import audit
from snapboot_devkit.package.audit.fixing import fix
from snapboot_devkit.package.audit.report import AuditReport
from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.checks.finding import Finding, Severity

__all__ = ["AuditError", "AuditReport", "Finding", "Severity", "audit", "fix"]
