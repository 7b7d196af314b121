"""What each HTTP API means: requests become messages, outcomes become responses. No I/O."""
