"""`python -m snapboot_devkit` is `snapboot`."""

from snapboot_devkit.cli import main

if __name__ == "__main__":
    main()
