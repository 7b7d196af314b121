"""Stand-ins that obey the real interface: sockets and processes, nothing patched."""
