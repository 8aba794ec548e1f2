"""`python -m rl` is the command `ration`."""

from rl.cli import main

if __name__ == "__main__":
    main()
