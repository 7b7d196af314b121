"""The interpreter that ships, and those that work for it here."""
