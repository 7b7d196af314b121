"""An API by AWS's Powertools, with its logger around it."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

logger = Logger(service="greeting", level="ERROR")
app = APIGatewayHttpResolver()


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name, "agent": app.current_event.request_context.http.user_agent}


@logger.inject_lambda_context
def handler(event, context):
    return app.resolve(event, context)
