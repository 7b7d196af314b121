"""The processes of one execution environment, and what they get: variables, limits, folders."""
