"""One execution environment for real: it performs what a lifecycle decides."""
