"""Error reporters and tracers as people use them: their sinks must get what awslambdaric gives them."""
