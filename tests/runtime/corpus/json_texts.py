"""JSON texts, and texts that are almost JSON, as the bytes of an event's body."""

from __future__ import annotations

from typing import Final

TEXTS: Final = (
    b"null", b"true", b"false", b'""', b"{}", b"[]", b'{"":{"":[]}}',
    # Integers: within 64 bits, at their edge, beyond, and as long as Python reads them.
    b"0", b"-0", b"-1", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551615", b"18446744073709551616", b"[123456789012345678901234567890]",
    b"-" + b"9" * 4300,
    # Floats: signs of zero, the smallest and the largest, beyond both, more digits than a double has.
    b"-0.0", b"0e0", b"1E5", b"1e+2", b"-1.5e-3", b"5e-324", b"1e-400", b"1.7976931348623157e308",
    b"1e400", b"-1e400", b"[1e999999]", b"0.1234567890123456789012", b"2.2250738585072011e-308",
    b"9007199254740993.0", b"123456789012345678e10", b"1." + b"1" * 400,
    # Strings: escapes, lone and paired surrogates, runs of digits, what needs no escape.
    rb'"\"\\\/\b\f\n\r\t\u0000\u001F\u00e9"', rb'"\ud83d\ude00"', rb'"\ud800"', rb'"\udc00\ud800"',
    rb'"\uD800\u0041"', '"é😀\u2028\x7f"'.encode(), b'"%b"' % (b"0123456789" * 3), rb'{"\ud800":1}',
    # Objects: the last of two equal keys counts, at the place of the first.
    b'{"a":1,"b":2,"a":3}', rb'{"a":1,"\u0061":2}', rb'{"\u0000":1}',
    # Space, and a byte order mark.
    b' \t\r\n{ "a" : [ 1 , 2 ] }\n', b"\xef\xbb\xbf{}", b"\xef\xbb\xbf \n[1]",
    # Depth that both engines can follow.
    b"[" * 200 + b"]" * 200, b'{"a":' * 200 + b"1" + b"}" * 200,
)  # fmt: skip

REFUSED: Final = (
    b"", b" ", b"\n\n", b"\xef\xbb\xbf", b"\x00", b"nul", b"True", b"None", b"undefined",
    # What Python's own json would take.
    b"NaN", b"[NaN]", b'{"a":Infinity}', b"-Infinity", b"nan",
    b"01", b"-00", b"+1", b"-", b".5", b"1.", b"1e", b"1e+", b"0x1", b"1_000", b"--1",
    # More digits than Python reads.
    b"9" * 4301,
    b"[1,]", b"[,1]", b"[1 2]", b"[", b"]", b"[]]", b"[1]x", b"1 2", b"[1}",
    b"{", b"}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{1:2}", b"{'a':1}", b'{"a":1 "b":2}', b"{a:1}",
    b"'a'", b'"', b'"a', rb'"\x41"', rb'"\u12"', rb'"\u12g4"', rb'"\ud8"', b'"\n"', b'"\x01"', b'"a\x00"',
    # No UTF-8: a byte that starts nothing, an overlong form, a surrogate, UTF-16, Latin-1.
    b"\xff", b'"\xc0\x80"', b'"\xed\xa0\x80"', '{"a":1}'.encode("utf-16"), b'"\xe9"', b'"\xf4\x90\x80\x80"',
    # Space that JSON does not know; comments; two byte order marks; one in the wrong place.
    b"\x0c1", b"\xc2\xa01", b"\x0b[]", b"// a\n1", b"/* */1", b"\xef\xbb\xbf\xef\xbb\xbf1", b"[1]\xef\xbb\xbf",
    # Depth that no decoder follows.
    b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000,
)  # fmt: skip

# What almost-JSON is made of, for hypothesis to put together.
FRAGMENTS: Final = (
    b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b'"', b'"a"', b'"b"', b"0", b"-", b"1", b".5", b"e5",
    b"E-3", b"9223372036854775808", b"1234567890123456789", b"true", b"false", b"null", b"NaN",
    b"Infinity", rb"\u00e9", rb"\ud800", rb"\udc00", rb"\n", b"\\", b"\xc3\xa9", b"\xff", b"\xef\xbb\xbf",
    b'"key":', b"[[", b"]]", b"\x00", b"\x7f",
)  # fmt: skip
