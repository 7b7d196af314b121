"""Is indented by a tab and spaces."""

if True:
	one = 1
        two = 2
