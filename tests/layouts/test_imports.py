"""Imports in every layout: what the runtime, tracers and `.pth` files have a say in."""

from __future__ import annotations

import json

from tests.fakes.runtime_api import Event

LOGGING = """
import logging
logging.getLogger().setLevel("INFO")
logging.getLogger().handlers[0].addFilter(lambda record: True)

def handler(event, context):
    logging.info("paid 12 EUR")
    return [type(each).__name__ for each in logging.getLogger().handlers]
"""


def test_a_record_of_logging_is_in_lambdas_form(layout):
    layout.code(LOGGING)
    run = layout.run(Event())
    assert run.result == ["LambdaLoggerHandler"]
    line = run.stdout.splitlines()[-1]  # before it: that there was no bytecode
    assert line.startswith("[INFO]\t")
    assert line.endswith("\tpaid 12 EUR")


def test_a_record_of_logging_is_json_where_the_platform_wants_that(layout):
    layout.code(LOGGING)
    run = layout.run(Event(), environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    record = json.loads(run.stdout.splitlines()[-1])
    assert (record["level"], record["message"]) == ("INFO", "paid 12 EUR")


def test_a_finder_of_sitecustomize_sees_each_import(layout):
    layout.write(
        "early/sitecustomize.py",
        """
        import sys

        class Hook:
            def find_spec(self, name, path=None, target=None):
                sys.seen.append(name)

        sys.seen = []
        sys.meta_path.insert(0, Hook())
        """,
    )
    layout.write("member.py", "")
    layout.code("""
        import colorsys, logging, member, sys

        def handler(event, context):
            return sorted({"app", "colorsys", "logging", "member"} & {*sys.seen})
    """)
    run = layout.run(Event(), environment={"PYTHONPATH": "/var/task/early"})
    assert run.result == ["app", "colorsys", "logging", "member"]
