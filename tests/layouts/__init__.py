"""Every feature of the runtime, in every layout that it is installed in, by one fixture.

How to use it, in three lines; the test runs once for each of the layouts in `layouts.NAMES`:

    def test_an_event_is_echoed(layout):
        layout.code("def handler(event, context): return event")
        assert layout.run(Event(b"1"), environment={"SNAPBOOT_GC": "default"}).result == 1

`layout.write` adds files to the function, `layout.layer` files to /opt, `layout.start` returns a
process that can be sent signals. A feature that is tested elsewhere alone fails `test_rule.py`.
"""
