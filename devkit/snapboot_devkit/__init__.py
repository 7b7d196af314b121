"""What a developer runs beside the runtime: a local Lambda host and the `snapboot` command.

Nothing here is ever on a handler's path.
"""
