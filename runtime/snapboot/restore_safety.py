"""What a restored process must not share with its siblings: the state of random generators.

Every environment restored from one snapshot starts with the same memory. What reads the kernel's
generator is safe (`secrets`, `uuid4`); what keeps a state of its own is renewed here.
"""

import posix
import sys


def renew_randomness() -> None:
    """Seed anew the generators that are loaded: random's, numpy's, tempfile's names, OpenSSL's."""
    for name in ("random", "numpy.random"):
        seed = getattr(sys.modules.get(name), "seed", None)
        if seed is not None:  # else it is a module of the function's of that name
            seed()
    if "tempfile" in sys.modules:
        vars(sys.modules["tempfile"])["_name_sequence"] = None
    add = getattr(sys.modules.get("ssl"), "RAND_add", None)
    if add is not None:
        # To what OpenSSL has, whose state may be a copy of its siblings'.
        add(posix.urandom(48), 48.0)
