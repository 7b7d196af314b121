"""Files that others wrote, read and never trusted: ELF, bytecode, module archives."""
