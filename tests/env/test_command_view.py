"""The plan of what a command sees: nesting paths, links, and what lies over what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.access import Access
from env.command_view import Mount, mounts
from env.view import inside


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a project, a copy of it, and other things."""
    for name in ("proj/data", "proj/.arl/copy/data", "conda/envs/a", "cache/kernels", ".ssh"):
        (tmp_path / "home" / name).mkdir(parents=True)
    (tmp_path / "home/proj/prepare.py").write_text("")
    (tmp_path / "home/proj/.arl/copy/prepare.py").write_text("")
    return tmp_path / "home"


def plan(root: Path, **changes: object) -> dict[str, str]:
    """What lies where, by path below home: the kind, and the source where it is another path."""
    base = {"work": root / "proj", "folder": root / "proj/.arl/copy", "home": root}
    paths = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in (base | changes).items()
    }
    access = Access(**paths)  # type: ignore[arg-type]
    return {
        mount.at.removeprefix(f"{root}/"): mount.kind
        if mount.own
        else f"{mount.kind} {short(mount, root)}"
        for mount in mounts(access)
    }


def short(mount: Mount, home: Path) -> str:
    return mount.source.removeprefix(f"{home}/")


def within(home: Path, *names: str) -> tuple[str, ...]:
    return tuple(str(home / name) for name in names)


def test_home_is_empty_but_for_the_copy(home: Path) -> None:
    assert plan(home) == {str(home): "empty ", "proj": "write proj/.arl/copy"}


def test_what_is_shared_lies_over_the_copy(home: Path) -> None:
    found = plan(home, shared=within(home, "proj/data", "proj/prepare.py", "proj/gone"))
    assert list(found) == [str(home), "proj", "proj/data", "proj/prepare.py"]
    assert found["proj/data"] == found["proj/prepare.py"] == "read"


def test_what_may_be_written_lies_over_what_is_shared(home: Path) -> None:
    data = within(home, "proj/data")
    assert plan(home, shared=data, write=data)["proj/data"] == "write"
    assert plan(home, shared=data, read=data)["proj/data"] == "read"


def test_of_paths_that_nest_the_inner_one_counts(home: Path) -> None:
    found = plan(
        home,
        read=within(home, "cache", "conda", "conda/envs", "conda/envs/a"),
        write=within(home, "cache/kernels", "conda/envs/a", "missing"),
    )
    assert found == {
        str(home): "empty ",
        "cache": "read",
        "cache/kernels": "write",
        "conda": "read",
        "conda/envs/a": "write",
        "proj": "write proj/.arl/copy",
    }


def test_a_read_only_folder_in_a_writable_one(home: Path) -> None:
    found = plan(home, write=within(home, "conda"), read=within(home, "conda/envs"))
    assert (found["conda"], found["conda/envs"]) == ("write", "read")


def test_the_project_is_its_copy_even_when_it_is_listed(home: Path) -> None:
    listed = within(home, "proj")
    assert plan(home, read=listed, write=listed)["proj"] == "write proj/.arl/copy"
    parent = plan(home, read=(str(home.parent),))
    assert parent[str(home.parent)] == "read"
    assert parent["proj"] == "write proj/.arl/copy"
    assert parent[str(home)] == "empty "  # home is seen only where it is listed itself
    assert plan(home, read=(str(home),))[str(home)] == "read"


def test_links_are_links_and_what_they_lead_to_is_there(home: Path) -> None:
    real = home.parent / "disk"
    (real / "data/deep").mkdir(parents=True)
    (home / "data").symlink_to("../disk/data")
    (home / "again").symlink_to(home / "data")
    found = plan(home, read=within(home, "data", "again/deep"))
    assert found["data"] == found["again"] == f"link {real / 'data'}"
    assert found[str(real / "data")] == "read"
    assert len(found) == 5


def test_a_link_below_another_path_is_there_already(home: Path) -> None:
    (home / "conda/latest").symlink_to("envs/a")
    (home / "proj/link").symlink_to("data")
    found = plan(home, read=within(home, "conda", "conda/latest", "proj/link"))
    assert set(found) == {str(home), "conda", "proj", "proj/data"}


def test_a_project_behind_a_link(home: Path) -> None:
    (home / "link").symlink_to("proj")
    found = plan(home, work=home / "link", shared=within(home, "link/data"))
    assert found["link"] == "link proj"
    assert found["proj"] == "write proj/.arl/copy"
    assert found["proj/data"] == "read"


@pytest.mark.parametrize("absolute", [True, False])
def test_what_is_shared_lies_where_a_link_of_the_copy_leads(home: Path, absolute: bool) -> None:
    (home / "proj/link.py").symlink_to("prepare.py")
    leads = home / "proj/prepare.py" if absolute else Path("prepare.py")
    (home / "proj/.arl/copy/link.py").symlink_to(leads)
    found = plan(home, shared=within(home, "proj/link.py"))
    assert found["proj/prepare.py"] == "read"
    assert "proj/link.py" not in found


def test_nothing_is_laid_outside_of_the_copy(home: Path) -> None:
    copy = home / "proj/.arl/copy"
    (copy / "data").rmdir()
    (copy / "data").symlink_to("/etc")
    assert "proj/data" not in plan(home, shared=within(home, "proj/data"))


def test_what_the_system_shows_is_left_out(home: Path) -> None:
    found = plan(home, read=("/usr/lib", "/bin/sh", "/lib"), write=("/usr/share",))
    assert set(found) == {str(home), "proj", "/usr/share"}
    assert set(plan(home, read=("/proc/self", "/dev"), write=("/dev", "/proc"))) == {
        str(home),
        "proj",
    }
    assert "empty " not in plan(home, home="/usr/sbin").values()
    assert "empty " not in plan(home, home="/").values()
    assert "empty " not in plan(home, home="").values()


@pytest.mark.parametrize("path", ["/", "//", "relative", "/usr/.."])
def test_the_whole_file_system_and_relative_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"absolute|whole file system"):
        Access(work="/a", folder="/b", read=(path,))


NAMES = ["a", "b", "a/c", "a/c/d", "b/l", "proj", "proj/data", "proj/data/x", ".", "l", "l/d"]
LISTED = st.lists(st.sampled_from(NAMES), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LISTED, LISTED, LISTED)
def test_mounts_go_from_the_outside_in_and_never_through_links(
    tmp_path: Path, read: list[str], write: list[str], shared: list[str]
) -> None:
    for name in ("a/c/d", "b", "proj/data/x", "copy/data/x"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    for link, leads in (("l", "a/c"), ("b/l", "../proj")):
        if not (tmp_path / link).is_symlink():
            (tmp_path / link).symlink_to(leads)
    access = Access(
        work=str(tmp_path / "proj"),
        folder=str(tmp_path / "copy"),
        shared=tuple(str(tmp_path / name) for name in shared if name.startswith("proj/")),
        read=tuple(str(tmp_path / name) for name in read),
        write=tuple(str(tmp_path / name) for name in write),
        home=str(tmp_path),
    )
    found = mounts(access)
    places = [mount.at for mount in found]
    assert len(set(places)) == len(places)
    for index, mount in enumerate(found):
        below = [later.at for later in found[index + 1 :] if inside(later.at, mount.at)]
        assert mount.kind != "link" or below == []
        assert not any(inside(mount.at, later.at) for later in found[index + 1 :])
    (work,) = (mount for mount in found if mount.at == access.work)
    assert work.source == access.folder
    wanted = {str((tmp_path / name).resolve()) for name in write} - {access.work}
    assert {m.at for m in found if m.kind == "write"} <= wanted | {access.work}
