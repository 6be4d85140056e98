"""Settings: where they come from and what they refuse."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from vibecell.cli import children
from vibecell.config import ConfigError, Settings, is_loopback, load
from vibecell.model.access import Access
from vibecell.model.limits import Limits

KEY = "k" * 32


def write(folder: Path, text: str) -> Path:
    path = folder / "vibecell.toml"
    path.write_text(text)
    return path


def test_defaults_serve_this_machine_only() -> None:
    settings = load({})
    assert (settings.host, settings.port, settings.queue_size) == ("127.0.0.1", 8000, 256)
    assert settings.max_concurrent >= 4
    assert settings.state_dir.is_absolute()
    assert settings.engine_socket.parent == settings.run_dir


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'port = 9000\nhost = "::1"\n[limits]\nwall_time_ms = 1000\n')
    settings = load({"VIBECELL_PORT": "9001", "PATH": "/bin"}, path)
    assert (settings.port, settings.host, settings.limits.wall_time_ms) == (9001, "::1", 1000)


def test_limits_from_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, "[ceiling]\nwall_time_ms = 20000\n")
    settings = load({"VIBECELL_LIMITS__PROCESSES": "7", "VIBECELL_REQUIRE_CGROUPS": "auto"}, path)
    assert (settings.limits.processes, settings.ceiling.wall_time_ms) == (7, 20_000)
    assert settings.require_cgroups is None


def test_file_named_by_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "port = 9000")
    assert load({"VIBECELL_CONFIG": str(path)}).port == 9000


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"VIBECELL_PROT": "1"}, "VIBECELL_PROT"),
        ({"VIBECELL_LIMITS__CORES": "1"}, "VIBECELL_LIMITS__CORES"),
        ({"VIBECELL_LIMITS": "1"}, "VIBECELL_LIMITS"),
        ({"VIBECELL_PORT__X": "1"}, "VIBECELL_PORT__X"),
        ({"VIBECELL_PORT": "http"}, "port"),
        ({"VIBECELL_PORT": "70000"}, "port"),
        ({"VIBECELL_LIMITS__PROCESSES": "0"}, "processes"),
        ({"VIBECELL_LIMITS__WALL_TIME_MS": "999999999"}, "limits.wall_time_ms"),
        ({"VIBECELL_STATE_DIR": "relative"}, "state_dir"),
        ({"VIBECELL_BACKEND": "none"}, "backend"),
        ({"VIBECELL_WALL": "thin"}, "wall"),
        ({"VIBECELL_REQUIRE_CGROUPS": "maybe"}, "require_cgroups"),
        ({"VIBECELL_RESULT_TTL_S": "nan"}, "result_ttl_s"),
        ({"VIBECELL_API_KEYS": "short"}, "api_keys"),
        ({"VIBECELL_POOL_MIN_IDLE": "-1"}, "pool_min_idle"),
        ({"VIBECELL_POOL_MIN_IDLE": "2", "VIBECELL_POOL_MAX_IDLE": "1"}, "pool_max_idle"),
        ({"VIBECELL_POOL_PARALLEL": "0"}, "pool_parallel"),
        ({"VIBECELL_HOST": "0.0.0.0"}, "host"),
        ({"VIBECELL_HOST": "example.org"}, "host"),
        ({"VIBECELL_CONFIG": "/nonexistent.toml"}, "nonexistent"),
    ],
)
def test_wrong_settings_are_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(environ)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "prot"),
        ("[limits]\ncores = 1", "cores"),
        ("limits = 1", "limits"),
        ("port = true", "port"),
        ('api_keys = ["x", 1]', "api_keys"),
        ("port =", "vibecell.toml"),
    ],
)
def test_wrong_file_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load({}, write(tmp_path, text))


def test_open_to_the_network_with_keys() -> None:
    settings = load({"VIBECELL_HOST": "0.0.0.0", "VIBECELL_API_KEYS": f"{KEY}, {KEY}2"})
    assert settings.api_keys == (KEY, f"{KEY}2")
    assert KEY not in repr(settings)


def test_loopback_is_told_without_looking_names_up() -> None:
    assert all(is_loopback(h) for h in ("localhost", "127.0.0.9", "::1"))
    assert not any(is_loopback(h) for h in ("", "0.0.0.0", "::", "localhost.example.org"))


def test_settings_built_by_hand_are_judged_too() -> None:
    with pytest.raises(ConfigError, match="max_concurrent"):
        Settings(max_concurrent=0)


def test_what_the_gateway_grants_can_be_set(tmp_path: Path) -> None:
    file = tmp_path / "vibecell.toml"
    file.write_text(
        "[gateway]\nconnections = 5000\nheartbeat_s = 2\nallowed_origins = ['https://a.example']"
    )
    access = load({}, file).gateway
    assert (access.connections, access.heartbeat_s) == (5000, 2.0)
    assert access.allowed_origins == ("https://a.example",)
    assert access.concurrent == Settings().gateway.concurrent
    said = {"VIBECELL_GATEWAY__CONCURRENT": "9", "VIBECELL_GATEWAY__ALLOWED_ORIGINS": "http://b"}
    assert load(said, file).gateway.concurrent == 9
    assert load(said, file).gateway.allowed_origins == ("http://b",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTIONS", "0"),
        ("CONNECTIONS", "many"),
        ("HEARTBEAT_S", "nan"),
        ("DISCONNECT_GRACE_S", "-1"),
        ("ALLOWED_ORIGINS", "example.org"),
        ("ALLOWED_ORIGINS", "https://example.org/path"),
        ("CONECTIONS", "5"),
    ],
)
def test_what_a_gateway_cannot_grant_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"(?i){name}"):
        load({f"VIBECELL_GATEWAY__{name}": value})


def test_children_are_told_every_setting() -> None:
    access = Access(connections=7, heartbeat_s=0.5, allowed_origins=("http://a", "http://b"))
    given = Settings(state_dir=Path("/s"), run_dir=Path("/r"), gateway=access)
    assert load(children._as_environ(given), Path(os.devnull)) == given


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    names = {f.name for kind in (Settings, Access, Limits) for f in fields(kind)}
    assert [x for x in sorted(names) if f"`{x}`" not in page and f"[{x}]" not in page] == []
