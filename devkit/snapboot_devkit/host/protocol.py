"""Every literal of the APIs the host speaks: paths, headers, limits, error types.

Nothing here decides anything; the routes and the lifecycle do.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Limits of the platform (Lambda quotas; the payload figure is what its front end really compares).
MAX_PAYLOAD_BYTES: Final = 6 * MIB + 100
MAX_ASYNC_PAYLOAD_BYTES: Final = MIB
MAX_HEAD_BYTES: Final = MIB
MAX_CLIENT_CONTEXT_BYTES: Final = 3583
LOG_TAIL_BYTES: Final = 4 * KIB
# The concurrency that an account has by default, beyond which Lambda answers with 429.
MAX_WAITING: Final = 1000
INIT_LIMIT_S: Final = 10.0
SNAPSTART_INIT_LIMIT_S: Final = 130.0
RESTORE_LIMIT_S: Final = 10.0

# The Runtime API.
RUNTIME_NEXT: Final = "/2018-06-01/runtime/invocation/next"
RUNTIME_INVOCATION: Final = "/2018-06-01/runtime/invocation/"
RUNTIME_INIT_ERROR: Final = "/2018-06-01/runtime/init/error"
RUNTIME_RESTORE_NEXT: Final = "/2018-06-01/runtime/restore/next"
RUNTIME_RESTORE_ERROR: Final = "/2018-06-01/runtime/restore/error"
PING: Final = "/2018-06-01/ping"

REQUEST_ID: Final = b"lambda-runtime-aws-request-id"
INVOCATION_ID: Final = b"lambda-runtime-invocation-id"
DEADLINE_MS: Final = b"lambda-runtime-deadline-ms"
FUNCTION_ARN: Final = b"lambda-runtime-invoked-function-arn"
TRACE_ID: Final = b"lambda-runtime-trace-id"
CLIENT_CONTEXT: Final = b"lambda-runtime-client-context"
COGNITO_IDENTITY: Final = b"lambda-runtime-cognito-identity"
TENANT_ID: Final = b"lambda-runtime-aws-tenant-id"
RESPONSE_MODE: Final = b"lambda-runtime-function-response-mode"
ERROR_TYPE: Final = b"lambda-runtime-function-error-type"

RESPONSE_MODE_STREAMING: Final = "streaming"

# The Invoke API.
FUNCTIONS: Final = "/2015-03-31/functions/"
INVOCATIONS: Final = "/invocations"
HEALTH: Final = "/health"

# The name AWS's emulator answers to, whatever the function is called.
EMULATOR_FUNCTION: Final = "function"

INVOCATION_TYPE: Final = b"x-amz-invocation-type"
LOG_TYPE: Final = b"x-amz-log-type"
INVOKE_CLIENT_CONTEXT: Final = b"x-amz-client-context"
INVOKE_TENANT_ID: Final = b"x-amz-tenant-id"
INVOKE_REQUEST_ID: Final = b"x-amzn-requestid"
INVOKE_TRACE_ID: Final = b"x-amzn-trace-id"

FUNCTION_ERROR: Final = b"x-amz-function-error"
LOG_RESULT: Final = b"x-amz-log-result"
EXECUTED_VERSION: Final = b"x-amz-executed-version"
EXCEPTION_NAME: Final = b"x-amzn-errortype"

# The one value that today's platform puts into `X-Amz-Function-Error`.
UNHANDLED: Final = "Unhandled"

CONTENT_TYPE: Final = b"content-type"
JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
PLAIN: Final = "text/plain; charset=utf-8"

# Error types that the platform itself raises.
EXIT_ERROR: Final = "Runtime.ExitError"
INVALID_ENTRYPOINT: Final = "Runtime.InvalidEntrypoint"
INVALID_RESPONSE_MODE: Final = "Runtime.InvalidResponseModeHeader"
TRUNCATED_RESPONSE: Final = "Runtime.TruncatedResponse"
RESTORE_TIMEOUT: Final = "Runtime.RestoreHookUserTimeout"
UNKNOWN_RUNTIME_ERROR: Final = "Runtime.Unknown"
UNKNOWN_FUNCTION_ERROR: Final = "Function.Unknown"
RESPONSE_TOO_LARGE: Final = "Function.ResponseSizeTooLarge"
TIMED_OUT: Final = "Sandbox.Timedout"
