#!/bin/sh
# For a function's Dockerfile: RUN snapboot-seal [HANDLER]
# Compiles the function's code and packs what its handler imports into one file, snapboot.modules.
set -eu

task_root=${LAMBDA_TASK_ROOT:-/var/task}
in_target=/var/runtime/.devkit/snapboot_devkit/package/in_target
# What a function finds on Lambda, and a handler may ask for while it is imported.
: "${AWS_REGION:=us-east-1}" "${AWS_LAMBDA_FUNCTION_NAME:=function}"
export AWS_REGION AWS_LAMBDA_FUNCTION_NAME
export AWS_DEFAULT_REGION="${AWS_REGION}" AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none

# The runtime's own interpreter, whatever `python3` may mean by now.
IFS=' ' read -r python options < /var/runtime/bootstrap
python=${python#'#!'}
chmod -R a+rX "${task_root}"
"${python}" "${options}" "${in_target}" compile "${task_root}" --as "${task_root}"
"${python}" "${options}" "${in_target}" seal "${task_root}" --handler "${1:-app.handler}" \
    --runtime /var/runtime --as "${task_root}"
