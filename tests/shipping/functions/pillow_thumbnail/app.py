"""A picture, made smaller, in three formats."""

import base64
import io

from PIL import Image


def handler(event, context):
    picture = Image.open(io.BytesIO(base64.b64decode(event["png"])))
    picture.thumbnail((event["width"], event["width"]))
    return {name: _again(picture.convert("RGB"), name) for name in ("PNG", "JPEG", "WEBP")}


def _again(picture, name):
    buffer = io.BytesIO()
    picture.save(buffer, name)
    again = Image.open(buffer)
    again.load()
    return [again.format, *again.size, *(round(value / 16) for value in again.getpixel((0, 0)))]
