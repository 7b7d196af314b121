"""What snapboot is measured by: contenders, scenarios, raw samples, and the tables made of them.

Run it as `python -m benchmarks`. Nothing here ships, and nothing here asserts: a timing is
recorded, never tested.
"""
