"""Every literal of the APIs the host speaks: paths, headers, limits, error types.

Nothing here decides anything; the routes and the lifecycle do.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
MS_PER_S: Final = 1000.0
MAX_PORT: Final = 65_535
LOOPBACK: Final = "127.0.0.1"

# Limits of the platform (Lambda quotas; the payload figure is what its front end really compares).
MAX_PAYLOAD_BYTES: Final = 6 * MIB + 100
MAX_ASYNC_PAYLOAD_BYTES: Final = MIB
MAX_STREAM_BYTES: Final = 200 * MIB
MAX_HEAD_BYTES: Final = MIB
MAX_CLIENT_CONTEXT_BYTES: Final = 3583
LOG_TAIL_BYTES: Final = 4 * KIB
# The concurrency that an account has by default, beyond which Lambda answers with 429.
MAX_WAITING: Final = 1000
INIT_LIMIT_S: Final = 10.0
SNAPSTART_INIT_LIMIT_S: Final = 130.0
RESTORE_LIMIT_S: Final = 10.0
MAX_EXTENSIONS: Final = 10

# Managed instances: waiting `next` calls, timed-out ids that are known, the body of an error.
MAX_IDLE_RUNTIMES: Final = 10_000
MAX_TIMED_OUT_IDS: Final = 1000
MAX_ERROR_BYTES: Final = MIB

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
ERROR_BODY: Final = b"lambda-runtime-function-error-body"

RESPONSE_MODE_STREAMING: Final = "streaming"

# The Extensions API.
EXTENSIONS: Final = "/2020-01-01/extension/"
EXTENSION_REGISTER_PATH: Final = "/2020-01-01/extension/register"
EXTENSION_NEXT_PATH: Final = "/2020-01-01/extension/event/next"
EXTENSION_INIT_ERROR_PATH: Final = "/2020-01-01/extension/init/error"
EXTENSION_EXIT_ERROR_PATH: Final = "/2020-01-01/extension/exit/error"

EXTENSION_NAME: Final = b"lambda-extension-name"
EXTENSION_IDENTIFIER: Final = b"lambda-extension-identifier"
EXTENSION_EVENT_IDENTIFIER: Final = b"lambda-extension-event-identifier"
EXTENSION_ACCEPT_FEATURE: Final = b"lambda-extension-accept-feature"
EXTENSION_ERROR_TYPE: Final = b"lambda-extension-function-error-type"

# The one feature that exists: the account's id in the answer to a registration.
EXTENSION_FEATURE_ACCOUNT: Final = "accountId"
MAX_EXTENSION_BODY_BYTES: Final = MIB

# The Telemetry API, and the Logs API before it: schemas from old to new, and what may be asked for.
TELEMETRY_PATH: Final = "/2022-07-01/telemetry"
LOGS_PATH: Final = "/2020-08-15/logs"
# The guide writes them with a slash at the end, its examples without.
TELEMETRY_SCHEMAS: Final = ("2022-07-01", "2022-12-13", "2025-01-29")
LOGS_SCHEMAS: Final = ("2020-08-15", "2021-03-18")
MANAGED_SCHEMAS: Final = TELEMETRY_SCHEMAS[-1:]
TELEMETRY_TYPES: Final = ("platform", "function", "extension")
BUFFER_ITEMS: Final = range(1_000, 10_000 + 1)
BUFFER_BYTES: Final = range(256 * KIB, MIB + 1)
BUFFER_TIMEOUT_MS: Final = range(25, 30_000 + 1)

# Names by which an environment knows itself, and the port that the platform keeps there.
SANDBOX_HOSTS: Final = ("sandbox.localdomain", "sandbox")
RESERVED_PORT: Final = 9001
SEQUENCE_ID: Final = b"sequence-id"

TELEMETRY_INVALID: Final = "ValidationError"
LOGS_INVALID: Final = "Logs.ValidationError"
LOGS_NOT_SUPPORTED: Final = "Logs.NotSupported"

# Services beside the Runtime API: credentials of a restored environment, and where it runs.
CREDENTIALS: Final = "/2021-04-23/credentials"
METADATA: Final = "/2026-01-15/metadata/execution-environment"
AUTHORIZATION: Final = b"authorization"

# The Invoke API.
FUNCTIONS: Final = "/2015-03-31/functions/"
INVOCATIONS: Final = "/invocations"
STREAMING_FUNCTIONS: Final = "/2021-11-15/functions/"
STREAMING_INVOCATIONS: Final = "/response-streaming-invocations"
ASYNC_FUNCTIONS: Final = "/2014-11-13/functions/"
ASYNC_INVOCATIONS: Final = "/invoke-async"
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
RETRY_AFTER: Final = b"retry-after"

# The one version of a function on managed instances that can be invoked without publishing more.
LATEST_PUBLISHED: Final = "$LATEST.PUBLISHED"

# The events of a streamed response.
PAYLOAD_CHUNK: Final = "PayloadChunk"
INVOKE_COMPLETE: Final = "InvokeComplete"

# Function URLs: as a host of its own, which browsers resolve to loopback, or as a path.
URL_DOMAIN: Final = ".lambda-url.localhost"
URL_PATH: Final = "/function-url/"
HTTP_INTEGRATION: Final = "application/vnd.awslambda.http-integration-response"
# Why a function URL answers with 502, which AWS does not tell.
SNAPBOOT_REASON: Final = b"snapboot-reason"
ORIGIN: Final = b"origin"
FETCH_SITE: Final = b"sec-fetch-site"
PRELUDE_END: Final = b"\0" * 8
MAX_PRELUDE_BYTES: Final = 16 * KIB

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
EXTENSION_INIT_ERROR: Final = "Extension.InitError"
EXTENSION_EXIT_ERROR: Final = "Extension.ExitError"
EXTENSION_CRASH: Final = "Extension.Crash"
EXTENSION_LAUNCH_ERROR: Final = "Extension.LaunchError"
