# Sees to it that `python3` is a CPython from 3.11 up, with its pip; $1 is the version to install from
# Amazon Linux's packages where there is none.
set -eu

minimum='import sys; sys.exit(sys.implementation.name != "cpython" or sys.version_info < (3, 11))'

fail() {
    echo "snapboot: $1" >&2
    exit 1
}

if ! python3 -c "$minimum" 2>/dev/null; then
    # Amazon Linux keeps python3 for itself, at 3.9; the minimal images have none.
    packages=$(command -v dnf || command -v microdnf) || fail \
        "PYTHON_IMAGE has no python3 from 3.11 up on its PATH, nor dnf to install one; name another image"
    "$packages" install -y "python$1" "python$1-pip"
    "$packages" clean all
    mkdir -p /usr/local/bin
    for name in python python3; do
        ln -sf "$(command -v "python$1")" "/usr/local/bin/$name"
    done
    hash -r
    python3 -c "$minimum" || fail "python$1 is no CPython from 3.11 up; give another PYTHON_VERSION"
fi
python3 -m pip --version || fail "the python3 of PYTHON_IMAGE has no pip; add it to that image"
