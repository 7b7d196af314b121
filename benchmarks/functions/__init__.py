"""What the contenders run. The folder is copied, and is a task root of its own."""
