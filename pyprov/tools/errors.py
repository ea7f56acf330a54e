"""How a tool ends that cannot do what it was asked for; pyprov/cli.py turns it into a status."""


class Failed(Exception):  # noqa: N818  (reads as what it says: raise Failed("..."))
    """The thing asked for failed; its text is the one line on standard error."""


class Unusable(Exception):  # noqa: N818
    """The arguments or the configuration cannot be used; its text names the key and the cure."""
