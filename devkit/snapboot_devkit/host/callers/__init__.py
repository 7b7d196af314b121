"""Who invokes: coroutines in this process, clients of the Invoke API, visitors of function URLs."""
