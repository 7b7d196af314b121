"""Raises a BaseException of its own at import."""


class Leave(BaseException):
    """Not an Exception."""


raise Leave("at import")
