"""Which folders the programs of a command line need, in homes as people have them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from env import interpreters, view


class Home:
    """A made-up home with installations of Python in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "proj"
        self.project.mkdir(parents=True)

    def program(self, name: str, text: str = "\x7fELF") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, prefix: str, version: str = "3.12") -> Path:
        """An installation of Python, as uv and pyenv make them."""
        (self.root / prefix / f"lib/python{version}").mkdir(parents=True)
        (self.root / prefix / f"lib/python{version}/os.py").touch()
        real = self.program(f"{prefix}/bin/python{version}")
        (real.parent / "python3").symlink_to(real.name)
        return real

    def venv(self, folder: str, base: Path, version: str = "3.12.4") -> Path:
        """A virtual environment of the Python `base`."""
        python = self.root / folder / "bin/python"
        python.parent.mkdir(parents=True)
        python.symlink_to(base)
        (python.parent / "python3").symlink_to("python")
        about = f"home = {base.parent}\nversion = {version}\ninclude-system-site-packages = false\n"
        (self.root / folder / "pyvenv.cfg").write_text(about)
        return python

    def prefixes(self, command: str, *path: str) -> list[str]:
        """What is found, by path below home."""
        search = os.pathsep.join([*(str(self.root / name) for name in path), "/usr/bin", "/bin"])
        found = interpreters.prefixes(command, search, str(self.project))
        return [name.removeprefix(f"{self.root}/") for name in found]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in list(os.environ):
        if name.startswith(("VIRTUAL_ENV", "CONDA_", "UV_", "PYENV_", "MAMBA_", "CUDA_", "LD_")):
            monkeypatch.delenv(name)
    return Home(tmp_path / "home")


def test_the_systems_programs_need_nothing(home: Home) -> None:
    assert home.prefixes("python3 train.py --out=x") == []
    assert home.prefixes("/usr/bin/env bash -c 'echo \"unbalanced") == []
    assert home.prefixes("") == []


def test_an_environment_and_the_python_that_it_is_based_on(home: Home) -> None:
    base = home.python(".local/share/uv/python/cpython-3.12")
    home.venv("proj/.venv", base)
    uv = ".local/share/uv/python/cpython-3.12"
    assert home.prefixes("python train.py") == [uv, "proj/.venv"]
    home.venv("envs/other", base)
    assert home.prefixes("~/envs/other/bin/python -m train") == [uv, "envs/other", "proj/.venv"]
    assert home.prefixes("x", "envs/other/bin") == [uv, "envs/other", "proj/.venv"]


def test_an_active_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.venv("envs/active", home.python("pythons/3.12"))
    monkeypatch.setenv("VIRTUAL_ENV", str(home.root / "envs/active"))
    assert home.prefixes("./train.sh") == ["envs/active", "pythons/3.12"]


def test_uv_is_its_program_and_its_pythons(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.program(".local/bin/uv")
    (home.root / ".local/share/keyrings").mkdir(parents=True)
    home.python(".local/share/uv/python/cpython-3.13")
    wanted = [".local/bin/uv", ".local/share/uv/python"]
    assert home.prefixes("cd x&&uv run train.py", ".local/bin") == wanted
    assert home.prefixes("OMP_NUM_THREADS=4 env -i uv run x", ".local/bin") == wanted
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(home.python("pythons/a").parents[2]))
    assert home.prefixes("uv run train.py", ".local/bin") == [".local/bin/uv", "pythons"]


def test_a_link_in_local_bin_and_what_it_leads_to(home: Home) -> None:
    real = home.python(".local/share/uv/python/cpython-3.12.8")
    link = home.root / ".local/bin/python3.12"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    home.venv("proj/venv", link)
    uv = ".local/share/uv/python/cpython-3.12.8"
    assert home.prefixes("true") == [".local/bin/python3.12", uv, "proj/venv"]


def test_conda_is_its_whole_prefix(home: Home) -> None:
    for prefix in ("miniconda3", "miniconda3/envs/train"):
        home.python(prefix)
        (home.root / prefix / "conda-meta").mkdir()
    home.program("miniconda3/condabin/conda")
    env = "miniconda3/envs/train"
    assert home.prefixes("python train.py", f"{env}/bin") == [env]
    assert home.prefixes("conda run -n train python x.py", "miniconda3/condabin") == ["miniconda3"]
    assert home.prefixes("source ~/miniconda3/bin/python3 && x") == ["miniconda3"]


def test_pyenvs_shims_need_its_root(home: Home) -> None:
    home.python(".pyenv/versions/3.12.4")
    home.program(".pyenv/shims/python", "#!/usr/bin/env bash\nexec pyenv exec python")
    assert home.prefixes("python train.py", ".pyenv/shims") == [".pyenv"]


def test_the_interpreter_of_a_script(home: Home) -> None:
    python = home.venv("tools/torch", home.python("pythons/3.12"))
    home.program("bin/torchrun", f"#!{python}\nimport torch\n")
    home.program("proj/start", f"#!{python}\n")
    needed = ["pythons/3.12", "tools/torch"]
    assert home.prefixes("torchrun --standalone x.py", "bin") == ["bin/torchrun", *needed]
    assert home.prefixes("./start") == needed
    home.program("bin/tool", "#!/usr/bin/env -S python3.12 -u\n")
    found = home.prefixes("tool", "bin", "pythons/3.12/bin")
    assert found == ["bin/tool", "pythons/3.12"]


def test_a_python_in_local_does_not_open_all_of_it(home: Home) -> None:
    home.python(".local")
    (home.root / ".local/share/keyrings").mkdir(parents=True)
    found = home.prefixes("python3.12 train.py", ".local/bin")
    assert found == [
        ".local/bin/python3",
        ".local/bin/python3.12",
        ".local/lib/python3.12",
    ]


def test_home_itself_and_what_holds_it_are_never_found(home: Home) -> None:
    home.python(".")  # ~/bin, ~/lib
    (home.root / "pyvenv.cfg").write_text("home = /usr/bin\n")
    found = interpreters.prefixes("python3.12 -m x", f"{home.root}/bin", str(home.project))
    assert not any(view.inside(str(home.root), path) for path in found)
    assert f"{home.root}/bin/python3.12" in found


def test_packages_that_are_installed_to_be_edited(home: Home) -> None:
    home.venv("proj/.venv", Path("/usr/bin/python3"))
    packages = home.root / "proj/.venv/lib/python3.12/site-packages"
    for path in (packages, home.root / "src/lib/src"):
        path.mkdir(parents=True)
    lines = f"{home.root}/src/lib/src\nimport os; os.x\n/gone\n{home.root}\nrelative\n"
    (packages / "__editable__.lib-1.pth").write_text(lines)
    assert home.prefixes("python x.py") == ["proj/.venv", "src/lib/src"]


def test_libraries_that_variables_name(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "cuda/lib64").mkdir(parents=True)
    monkeypatch.setenv("CUDA_HOME", str(home.root / "cuda"))
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{home.root}/cuda/lib64:/usr/lib::{home.root}")
    assert home.prefixes("./x") == ["cuda"]


def test_links_that_lead_nowhere_or_in_circles(home: Home) -> None:
    for name, leads in (("proj/a", "b"), ("proj/b", "a"), ("proj/c", "gone")):
        (home.root / name).symlink_to(leads)
    assert home.prefixes("./a ./b ./c") == []


def test_our_own_interpreter_needs_its_prefix_and_no_packages() -> None:
    python = os.path.realpath(sys.executable)
    found = interpreters.needed_by(python)
    assert any(view.inside(python, root) for root in (*view.SYSTEM, *found))
    assert not any(view.inside(root, sys.prefix) for root in found) or sys.prefix == sys.base_prefix
