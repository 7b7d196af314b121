"""SnapStart on this machine: one init, many restores, and what they must not share.

`rehearsal` is the course of it, `template` what runs in the function's interpreter, `stage` what
serves and watches it, `checks` what is found wrong, `page` how it is printed.
"""
