"""The same functions and events with snapboot and with awslambdaric, and what comes of each."""
