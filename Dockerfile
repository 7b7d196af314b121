# The base image of a Lambda function:
#
#     FROM snapboot
#     COPY app.py ${LAMBDA_TASK_ROOT}/
#     CMD ["app.handler"]
#
# Build it with `docker build --provenance=false -t snapboot .`; PYTHON_IMAGE may be any image with a
# CPython from 3.11 up and its pip whose `python3` is on the PATH.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
COPY bootstrap /var/runtime/bootstrap
COPY runtime/ /var/runtime/
# orjson and urllib3 lie beside snapboot, found last on sys.path: a function's own copies win.
RUN python3 -m pip install --no-cache-dir --no-compile --target /var/runtime "orjson>=3.9" "urllib3>=2" \
    && sed -i "1s|.*|#!$(command -v python3) -SsP|" /var/runtime/bootstrap \
    && python3 -m compileall -q -f --invalidation-mode unchecked-hash /var/runtime \
    && chmod -R a+rX /var/runtime

FROM ${PYTHON_IMAGE}
COPY --from=build /var/runtime /var/runtime
# SnapStart for an image that is not AWS's own wants this label (or the runtime's restore calls).
LABEL com.amazonaws.lambda.feature.snapstart="Allow"
ENV LANG=en_US.UTF-8 \
    TZ=:/etc/localtime \
    LAMBDA_TASK_ROOT=/var/task \
    LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
ENTRYPOINT ["/var/runtime/bootstrap"]
