"""What can keep a profile from being made."""

from __future__ import annotations


class ProfileError(Exception):
    """Nothing could be measured; the message says why and what to do."""
