"""How the whole suite is shared between two processes that run it at the same time.

Owns which tests stay together; refuses to know what they try. Most tests wait, for a limit, a
deadline or a daemon, so two processes need little more than half the time. What asks for the
one Docker engine is one group, since its start and its images are what costs most; of all
others a file is a group, and shares the fixtures that it has made. What looks at all of the machine
for zygotes that were taken, or at cgroups of engines that died, goes with the first, too.
"""

import pytest

_TOGETHER = ("docker", "container", "taken_zygote", "zygote_outlives", "cgroup_kernel")


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark where the plugin that obeys it is not loaded, as for one test alone."""
    config.addinivalue_line("markers", "xdist_group(name): tests that one process runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each. Source: pytest-xdist's documentation, ``--dist loadgroup``."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    asked = (item.nodeid, *getattr(item, "fixturenames", ()))
    if any(word in name.lower() for name in asked for word in _TOGETHER):
        return "containers"
    return item.path.name
