"""What an environment tells: log lines, records, and their delivery to subscribers."""
