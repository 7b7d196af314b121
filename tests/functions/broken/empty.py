"""Prints and logs while it is imported, then has no handler."""

import logging

print("importing")
logging.warning("logging at import")
