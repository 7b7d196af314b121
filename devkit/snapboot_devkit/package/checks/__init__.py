"""Whether a package fits: the platform, its quotas, and what must not be in it.

`snapboot package` and `snapboot audit` both ask here. Nothing here imports the audit.
"""
