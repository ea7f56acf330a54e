"""The command `pyprov`: one thin command per tool."""

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="pyprov", description=__doc__)
    parser.parse_args(argv)
    parser.print_help()
    return 2
