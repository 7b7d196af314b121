"""Where the time to a function's first `next` goes: `snapboot profile`.

Plain runs give the totals, instrumented runs the shares. What runs in the function's interpreter is
`probe.py`; nothing else here is ever loaded there.
"""
