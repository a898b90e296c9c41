"""`python -m overworld`: the command line."""

from overworld.app.cli import main

if __name__ == "__main__":
    main()
