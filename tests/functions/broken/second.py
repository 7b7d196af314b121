"""Imports the third of three."""

import third
