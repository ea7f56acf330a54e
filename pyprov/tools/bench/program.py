"""A program at the other end of a benchmark: it answers a line for each line it is sent."""

import subprocess
from collections.abc import Sequence
from typing import IO, Self, cast

_PATIENCE = 10.0


class Program:
    """Runs until its standard input ends."""

    def __init__(self, command: Sequence[str], *, quiet: bool = False) -> None:
        """Start it; `quiet` leaves out what it says on standard error."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def line(self) -> str:
        """Wait for the next line it says.

        Raises:
            RuntimeError: it has ended instead.
        """
        stdout = cast("IO[str]", self._process.stdout)
        text = stdout.readline()
        if not text:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return text.strip()

    def tell(self, text: str) -> None:
        """Send it a line."""
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(f"{text}\n")
        stdin.flush()

    def ask(self) -> list[int]:
        """Send it an empty line; the numbers in its answer."""
        self.tell("")
        return [int(word) for word in self.line().split() if word.isdigit()]

    def end(self) -> int:
        """Close its input and let it end; its exit status."""
        try:
            self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        return self._process.returncode
