"""What runs inside the interpreter a package is made for: compiling, tracing imports, sealing.

Standard library only, of every supported version, and nothing of the rest of the devkit: this
folder is started by that interpreter, as `python -SsP …/in_target ARGUMENTS`.
"""
