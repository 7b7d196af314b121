"""Events as AWS's services send them, for trying a function out: `event("sqs")`.

Each is a file in `templates/`, in the shape that the service's documentation gives, with values one
might meet. No I/O but reading them.
"""

from snapboot_devkit.events.changes import ChangeError, changed
from snapboot_devkit.events.templates import TITLES, UnknownTemplateError, event

__all__ = ["TITLES", "ChangeError", "UnknownTemplateError", "changed", "event"]
