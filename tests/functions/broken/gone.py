"""Ends the process on the spot while it is imported."""

import os

os._exit(9)
