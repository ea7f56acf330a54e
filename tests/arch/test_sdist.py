"""What a stranger gets: the source distribution, built and installed far from this clone."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import mesonpy
import pytest

from tests.arch.sources import TOP


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_sdist_installs_and_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(TOP)
    settings = {"build-dir": str(tmp_path / "build")}
    archive = tmp_path / mesonpy.build_sdist(str(tmp_path), settings)

    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    # Nothing of this environment: not its site-packages, not its search paths.
    clean = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    clean["PATH"] = os.pathsep.join(
        p for p in clean["PATH"].split(os.pathsep) if Path(p) != Path(sys.executable).parent
    )
    subprocess.run([python, "-m", "pip", "install", "-q", archive], check=True, env=clean)

    script = "import pyprov._dataplane as d; print(d.lib.pv_api_version(), d.__file__)"
    said = subprocess.run(
        [python, "-c", script], check=True, env=clean, cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()
    assert int(said[0]) >= 1
    assert said[1].startswith(str(tmp_path / "venv"))
    subprocess.run([tmp_path / "venv/bin/pyprov", "--help"], check=True, env=clean)
