"""Two processes of ours that talk to each other; neither outlives its test."""

import contextlib
import subprocess
import sys


@contextlib.contextmanager
def program(text, *words, **options):
    """A Python program in a process of its own, whose output is a pipe."""
    command = [sys.executable, "-c", text, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
