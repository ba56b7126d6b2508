"""The wheel holds everything: a `.gitignore` line such as `env/` would leave a room out."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("arl_tui", "engine", "env", "policy", "state", "target")


def test_the_wheel_holds_all_rooms_and_their_files(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for room in ROOMS:
        files = [
            f for f in (ROOT / room).rglob("*") if f.is_file() and "__pycache__" not in f.parts
        ]
        missing = {str(f.relative_to(ROOT)) for f in files} - inside
        assert not missing, f"{room}: {sorted(missing)}"
    assert "target/train.py" in inside
    assert "policy/weights/ppo.safetensors" in inside
    assert any(name.startswith("state/migrations/") for name in inside)
    assert not any(name.startswith("tests") for name in inside)
