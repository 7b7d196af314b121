"""The life of one execution environment, without any I/O: tables, machines and their words."""
