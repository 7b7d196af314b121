"""What the wire and the codec are tried with, as literal tables."""
