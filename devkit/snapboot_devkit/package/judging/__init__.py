"""Whether it fits: the platform, and its quotas."""
