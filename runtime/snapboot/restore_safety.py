"""What a restored process must not share with its siblings: the state of random generators.

Every environment restored from one snapshot starts with the same memory. What reads the kernel's
generator is safe (`secrets`, `uuid4`); what keeps a state of its own is renewed here.
"""

import sys


def renew_randomness() -> None:
    """Seed anew the generators that are loaded: random's, numpy's, tempfile's names, OpenSSL's."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "tempfile" in sys.modules:
        vars(sys.modules["tempfile"])["_name_sequence"] = None
    if "ssl" in sys.modules:
        import posix

        # Added to what OpenSSL has, whose state may be a copy of its siblings'.
        sys.modules["ssl"].RAND_add(posix.urandom(48), 48.0)
