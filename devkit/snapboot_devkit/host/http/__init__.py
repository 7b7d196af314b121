"""HTTP/1.1 for a host: knows nothing of Lambda."""
