"""A Runtime API client of few lines, started by the host's tests in place of a real runtime.

It runs the handlers of `behaviours.py` and keeps every rule of the API, so that what a test sees
is the host's doing. A handler may break rules itself, through `api`.
"""

import http.client
import importlib
import json
import os
import sys

PREFIX = "/2018-06-01/runtime"


class RuntimeAPI:
    def __init__(self):
        self._connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, PREFIX + path, body, named)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def error_document(exc):
    return json.dumps({"errorMessage": str(exc), "errorType": type(exc).__name__}).encode()


def main():
    api = RuntimeAPI()
    try:
        handler = getattr(importlib.import_module("behaviours"), os.environ["_HANDLER"])
    except Exception as exc:  # noqa: BLE001 - around user code
        api.call("POST", "/init/error", error_document(exc), **ERROR_TYPE)
        sys.exit(1)
    if os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start":
        api.call("GET", "/restore/next")
    while True:
        _, headers, event = api.call("GET", "/invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        attempt = {"Lambda_Runtime_Invocation_Id": headers["Lambda-Runtime-Invocation-Id"]}
        try:
            result = handler(json.loads(event), headers, api)
        except Exception as exc:  # noqa: BLE001 - around user code
            path = f"/invocation/{request_id}/error"
            api.call("POST", path, error_document(exc), **attempt, **ERROR_TYPE)
        else:
            body = result if isinstance(result, bytes) else json.dumps(result).encode()
            api.call("POST", f"/invocation/{request_id}/response", body, **attempt)


ERROR_TYPE = {"Lambda_Runtime_Function_Error_Type": "Function.Failed"}

if __name__ == "__main__":
    main()
