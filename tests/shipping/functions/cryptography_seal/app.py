"""A text, sealed and opened, signed and checked."""

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

signer = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def handler(event, context):
    text = event["text"].encode()
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"seal").derive(event["secret"].encode())
    box = Fernet(base64.urlsafe_b64encode(key))
    signature = signer.sign(text)
    try:
        signer.public_key().verify(signature, text + b"!")
        forged = True
    except InvalidSignature:
        forged = False
    signer.public_key().verify(signature, text)
    return {"opened": box.decrypt(box.encrypt(text)).decode(), "key": key.hex(), "forged": forged}
