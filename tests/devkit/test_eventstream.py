"""Messages of an event stream, read back by AWS's own parser."""

import pytest

from snapboot_devkit.host.routes import invoke_stream

parser = pytest.importorskip("botocore.eventstream", reason="needs boto3, of the extra `test`")


def parsed(data):
    """Return headers and payload of every message, as botocore reads them."""
    buffer = parser.EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


@pytest.mark.parametrize("payload", [b"", b"x", b"\0" * 9, bytes(range(256)) * 500])
def test_an_event_is_what_the_clients_parser_reads(payload):
    [(headers, read)] = parsed(
        invoke_stream.event("PayloadChunk", "application/octet-stream", payload)
    )
    assert read == payload
    assert headers == {
        ":message-type": "event",
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
    }


def test_messages_stand_one_behind_another():
    data = invoke_stream.event("A", "t", b"1") + invoke_stream.error("Broken", "naïve")
    (_, first), (headers, _) = parsed(data)
    assert first == b"1"
    assert headers[":error-message"] == "naïve"


def test_a_message_that_was_altered_is_noticed():
    data = bytearray(invoke_stream.event("A", "t", b"payload"))
    data[-6] ^= 1
    with pytest.raises(parser.ChecksumMismatch):
        parsed(bytes(data))


def test_what_no_parser_takes_is_not_made():
    with pytest.raises(ValueError, match="25165825 bytes"):
        invoke_stream.encode({}, b"x" * (invoke_stream.MAX_PAYLOAD_BYTES + 1))
