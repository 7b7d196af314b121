"""Who invokes: programs, clients of the Invoke API, visitors of function URLs."""
