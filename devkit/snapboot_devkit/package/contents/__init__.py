"""What goes in: the function's code, its dependencies, and the runtime."""
