"""The local host, for a long time and under every kind of misfortune: nothing lost, nothing left.

Run it as `python -m benchmarks soak`. It checks what must hold of every single invocation, and
records how fast that went.
"""
