"""The log of an environment: its lines, the platform's events, their delivery to subscribers."""
