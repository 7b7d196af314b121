"""`python -m snapboot app.handler`: the drop-in for `python -m awslambdaric app.handler`.

Run as a file it is what `bootstrap` gives to an `AWS_LAMBDA_EXEC_WRAPPER` script to start.
"""

import sys

if __name__ == "__main__":
    if __package__:
        from snapboot.main import main

        main([sys.executable, "-m", __package__], sys.argv[1:], None)

    package = __file__.rpartition("/")[0]
    if package in sys.path:  # a wrapper has left out `-P`; our modules are not to be found by name
        sys.path.remove(package)
    own_folder = package.rpartition("/")[0]
    sys.path.insert(0, own_folder)
    from snapboot.main import main

    del sys.path[0]
    main([sys.executable, "-SsP", __file__], sys.argv[1:], own_folder)
