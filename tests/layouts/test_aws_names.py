"""Tools that patch AWS's runtime by its names find them in every layout."""

from tests.fakes.runtime_api import Event


def test_what_is_patched_by_aws_names_is_called(layout):
    layout.code("""
        import __main__
        import awslambdaric.bootstrap as bootstrap

        handle = bootstrap.handle_event_request
        post = bootstrap.LambdaRuntimeClient.post_invocation_result

        def handle_event_request(client, handler, *args):
            return handle(client, lambda *both: ["wrapped", handler(*both)], *args)

        def post_invocation_result(self, invoke_id, result, *args):
            return post(self, invoke_id, result.replace("event", "flushed"), *args)

        bootstrap.handle_event_request = handle_event_request
        bootstrap.LambdaRuntimeClient.post_invocation_result = post_invocation_result

        def handler(event, context):
            places = [__main__.bootstrap, __main__.awslambdaricmain.bootstrap]
            return event, [place is bootstrap for place in places]
    """)
    run = layout.run(Event(b'"event"'))
    assert run.result == ["wrapped", ["flushed", [True, True]]]
