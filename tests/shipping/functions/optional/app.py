"""A function that makes use of what may or may not be there, and names it nowhere."""

try:
    import pip
except ImportError:
    pip = None


def handler(event, context):
    return {"pip": pip and pip.__file__}
