"""The bounds of a wall follow how many cells it may have, and what of theirs counts there."""

from dataclasses import replace

from vibecell.config import Settings
from vibecell.model.limits import MIB
from vibecell.sandbox.host.wall_bounds import wall_bounds

SETTINGS = Settings(max_concurrent=3, max_parked=0, pool_max_idle=2, cell_cpus=1.5)
CEILING = SETTINGS.ceiling


def test_a_fresh_wall_has_what_one_cell_needs() -> None:
    one = wall_bounds(SETTINGS, "fresh", counts_programs=True, has_users=True)
    assert 0 < one.memory_bytes < 1024 * MIB
    assert 0 < one.processes <= 16
    assert one.user_processes == one.processes + CEILING.processes
    assert one.cpus == 1.5


def test_one_for_many_grows_with_the_cells_and_has_no_bound_on_processors() -> None:
    one = wall_bounds(SETTINGS, "fresh", counts_programs=True, has_users=True)
    many = wall_bounds(SETTINGS, "shared", counts_programs=True, has_users=True)
    assert many.memory_bytes > one.memory_bytes
    assert many.processes > one.processes
    assert many.user_processes == many.processes + 5 * CEILING.processes
    assert many.cpus is None


def test_those_that_wait_for_input_without_a_place_have_cells_too() -> None:
    with_them = replace(SETTINGS, max_parked=4)
    many = wall_bounds(with_them, "shared", counts_programs=True, has_users=True)
    assert many.user_processes == many.processes + 9 * CEILING.processes
    for wall, counts in (("fresh", True), ("shared", False)):
        # one cell, or nobody who could be seen to wait
        without = wall_bounds(SETTINGS, wall, counts_programs=counts, has_users=True)
        same = wall_bounds(with_them, wall, counts_programs=counts, has_users=True)
        assert same == without


def test_where_programs_have_no_cgroups_what_they_may_use_counts_here() -> None:
    for wall, programs in (("fresh", 1), ("shared", 3)):
        counted = wall_bounds(SETTINGS, wall, counts_programs=True, has_users=True)
        others = wall_bounds(SETTINGS, wall, counts_programs=False, has_users=True)
        added = programs * CEILING.memory_bytes
        assert others.memory_bytes == counted.memory_bytes + added
        assert others.processes == counted.processes + programs * CEILING.processes
        assert others.user_processes == others.processes, "once is enough"
        assert others.with_programs == others.processes


def test_an_ordinary_user_has_other_processes() -> None:
    his = wall_bounds(SETTINGS, "fresh", counts_programs=True, has_users=False)
    assert his.user_processes is None
    assert his.with_programs == his.processes + CEILING.processes
