"""Cannot be compiled."""


def oops(:
    pass
