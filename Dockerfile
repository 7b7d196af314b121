# The base image of a Lambda function. On top of it a function is two lines:
#
#     FROM snapboot
#     COPY app.py ${LAMBDA_TASK_ROOT}/
#
# Build it with `docker buildx build --provenance=false --load -t snapboot .`; docs/image.md says the
# rest. PYTHON_IMAGE may be any image with /bin/sh and either a CPython from 3.11 up with its pip, as
# `python3` on the PATH, or Amazon Linux's package manager: public.ecr.aws/lambda/provided:al2023.
ARG PYTHON_IMAGE=python:3.14-slim

FROM ${PYTHON_IMAGE} AS build
USER root
# What is installed where the image brings no Python of its own.
ARG PYTHON_VERSION=3.14
# 1: a function's Dockerfile can use pip.
ARG KEEP_PIP=0
# The package index; one with a password: --secret id=pip.conf,src=pip.conf.
ARG PIP_INDEX_URL
COPY image /snapboot-image
RUN sh /snapboot-image/provide-python.sh "${PYTHON_VERSION}"
COPY bootstrap /var/runtime/
COPY runtime /var/runtime/
COPY devkit /var/runtime/.devkit/
# orjson and urllib3 are beside snapboot, found last on sys.path: a function's own copies win.
RUN --mount=type=secret,id=pip.conf \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf PIP_ROOT_USER_ACTION=ignore \
    && install="python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check" \
    && $install --target /var/runtime "orjson>=3.9" "urllib3>=2" \
    && $install --target /var/runtime/.devkit "h11>=0.14" "msgspec>=0.19"
# Afterwards nothing is left of /snapboot-image.
RUN python3 -BsP /snapboot-image/finish "${KEEP_PIP}"

# From nothing: what was removed from the base is not in the image, not even in a layer below.
FROM scratch
COPY --from=build / /
# SnapStart for an image that is not AWS's own wants this label (or the runtime's restore calls).
LABEL com.amazonaws.lambda.feature.snapstart="Allow"
# As AWS's base images; the sbin folders are for package managers in a function's Dockerfile.
ENV LANG=en_US.UTF-8 \
    TZ=:/etc/localtime \
    PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin:/usr/local/sbin:/usr/sbin:/sbin \
    LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib \
    LAMBDA_TASK_ROOT=/var/task \
    LAMBDA_RUNTIME_DIR=/var/runtime \
    SNAPBOOT_LISTEN=0.0.0.0:8080
WORKDIR /var/task
ENTRYPOINT ["/var/runtime/bootstrap"]
CMD ["app.handler"]
