"""`python -m snapboot app.handler`: the drop-in for `python -m awslambdaric app.handler`."""

import sys

if not __package__:  # started as a file, by an AWS_LAMBDA_EXEC_WRAPPER script
    sys.path.insert(0, __file__.rpartition("/")[0].rpartition("/")[0])

from snapboot.main import main

if __name__ == "__main__":
    if __package__:
        main([sys.executable, "-m", "snapboot"], sys.argv[1:], None)
    main([sys.executable, "-SsP", __file__], sys.argv[1:], sys.path[0])
