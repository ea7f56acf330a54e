"""Makes a network namespace of its own and tells the story in it.

The namespace has no name: it is gone with the process, and the tap with it, however that ends.
Without root a user namespace gives the rights that are needed, where the kernel allows it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from pyprov.runtime.engine import StartError
from pyprov.tools.demo.story import Disappointed, tell

if TYPE_CHECKING:
    from types import FrameType

_INSIDE: Final = "--inside"

_WITHOUT: Final = """\
The demo makes a network namespace and a tap in it. This user may do neither: run it as root.

What needs no rights:
  ./dev bench accept     connections a second on the wire in memory
  ./dev test             the tests; nearly all run on engines in a lab, in virtual time
  README.md              has a program that runs as anybody
"""


def main() -> int:  # noqa: RET503 - execvp does not return
    """Run the demo; the exit status."""
    if sys.argv[1:] == [_INSIDE]:
        return _inside()
    if sys.argv[1:]:
        print("the demo takes no arguments", file=sys.stderr)
        return 2
    for program in ("unshare", "curl"):
        if shutil.which(program) is None:
            print(f"the demo needs {program}: apt-get install curl util-linux", file=sys.stderr)
            return 1
    command = ["unshare", "--net"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        print(_WITHOUT, end="", file=sys.stderr)
        return 1
    sys.stdout.flush()
    command += [sys.executable, "-m", "pyprov.tools.demo", _INSIDE]
    os.execvp(command[0], command)  # noqa: S606 - this process becomes that one


def _inside() -> int:
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        tell()
    except (StartError, Disappointed) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        # All is told or undone: nothing is left that an exception while Python ends could save.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return 0


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
