"""Imports the first of three."""

import second
