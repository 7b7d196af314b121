"""Why something could not be done, as the caller in another interpreter gets to read it."""

from __future__ import annotations


class WorkerError(Exception):
    """Something was tried and failed; show the message and the remedy to the user, and stop.

    `detail` is longer text for those who look further: a traceback. `may_work` says that the
    function failed here, and may work on Lambda all the same.
    """

    def __init__(
        self, message: str, remedy: str, detail: str = "", *, may_work: bool = False
    ) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.detail = detail
        self.may_work = may_work

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        document: dict[str, object] = {"message": str(self), "remedy": self.remedy}
        return {"error": {**document, "detail": self.detail, "mayWork": self.may_work}}
