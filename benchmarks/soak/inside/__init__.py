"""What runs inside the environments: the function, and the extension beside it."""
