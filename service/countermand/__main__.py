"""`python -m countermand` and the `countermand` command."""

from countermand.cli import main

if __name__ == "__main__":
    main()
