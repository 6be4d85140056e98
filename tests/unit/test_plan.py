"""Planning: profile, mode and argv, from hostile sources too."""

import mmap
from dataclasses import replace

import pytest

from vibecell.engine.plan import Plan, make_plan
from vibecell.gateway.problems import problem_of
from vibecell.model.errors import InvalidRequest, UnsupportedLanguage
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Cold, Language, Offer, WarmProfile, fit_to_memory
from vibecell.model.limits import DEFAULT_LIMITS, MIB, Limits

LIGHT = WarmProfile("python-light")
DATA = WarmProfile(
    "python-data", ("numpy",), frozenset({"numpy", "pandas"}), bound=frozenset({"numpy", "six"})
)
CATALOGUE = {
    "python": Language(
        "python",
        "Python",
        "3.11.2",
        ("py",),
        "main.py",
        "in_place",
        ("python3", "{entrypoint}"),
        {"A": "language", "B": "language"},
        (LIGHT, DATA),
        cold=Cold(("B", "PYTHON*", "LC_???"), ("matplotlibrc", ".local/*")),
    ),
    "javascript": Language(
        "javascript",
        "JavaScript",
        "20.1.0",
        ("js",),
        "main.js",
        "warm_exec",
        ("node", "{entrypoint}"),
        profiles=(WarmProfile("node"),),
    ),
    "bash": Language(
        "bash",
        "Bash",
        "5.2",
        ("sh",),
        "main.sh",
        "exec",
        ("bash", "{entrypoint}"),
        profiles=(WarmProfile("bash"),),
    ),
    "html": Language("html", "HTML", "5", (), "index.html", "page"),
}
OFFER = Offer(tuple(CATALOGUE.values()))


def plan(source: str, language: str = "python", path: str | None = None, **more: object) -> Plan:
    name = path or CATALOGUE[language].entrypoint
    files = (SourceFile(name, source.encode("utf-8", "surrogateescape")),)
    request = ExecutionRequest(language, files, entrypoint=path, **more)  # type: ignore[arg-type]
    return make_plan(request, OFFER)


@pytest.mark.parametrize(
    ("source", "profile"),
    [
        ("print(1)", LIGHT),
        ("import os, sys", LIGHT),
        ("import numpy", DATA),
        ("import numpy.linalg as la", DATA),
        ("from pandas import DataFrame", DATA),
        ("def f():\n    import numpy", DATA),
        ("print('import numpy')", LIGHT),
        ("import mynumpy", LIGHT),
        ("from . import numpy", LIGHT),
        ("from .numpy import x", LIGHT),
        ("import numpy\nprint(", DATA),  # it will tell its error there as well as anywhere
        ("import numpy\n" + "#" * 100_000, DATA),
        ("#" * 100_000 + "\nimport numpy", LIGHT),
        ("# numpy\n" + "(" * 50_000, LIGHT),
        ("# numpy\nx = " + "-" * 60_000 + "1", LIGHT),
        ("# numpy\nx = " + "1+" * 30_000 + "1", LIGHT),
        ("# numpy\nx" + ".y" * 30_000, LIGHT),
        ("# numpy\nx = " + "f(" * 90 + ")" * 90, LIGHT),
    ],
)
def test_imports_choose_the_profile(source: str, profile: WarmProfile) -> None:
    assert plan(source).profile == profile


def test_imports_of_every_python_file_count() -> None:
    files = (SourceFile("main.py", b"import helper"), SourceFile("helper.py", b"import pandas"))
    assert make_plan(ExecutionRequest("python", files), OFFER).profile == DATA
    others = (SourceFile("main.py", b""), SourceFile("a.txt", b"import pandas"))
    assert make_plan(ExecutionRequest("python", others), OFFER).profile == LIGHT


def test_default_entrypoint_runs_in_place() -> None:
    (stage,) = plan("1", args=("x", "{entrypoint}"), env={"C": "request"}).stages
    assert (stage.name, stage.spec.mode, stage.spec.entrypoint) == ("run", "in_place", "main.py")
    assert stage.spec.argv == ("x", "{entrypoint}")
    assert dict(stage.spec.env) == {"A": "language", "B": "language", "C": "request"}


def test_another_entrypoint_is_executed() -> None:
    (stage,) = plan("1", path="pkg/run.py", args=("x",)).stages
    assert (stage.spec.mode, stage.spec.argv) == ("exec", ("python3", "pkg/run.py", "x"))


def with_files(*paths: str) -> Plan:
    return make_plan(
        ExecutionRequest("python", tuple(SourceFile(path, b"") for path in paths)), OFFER
    )


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHON", "LC_ALL", "B"])
def test_a_variable_that_is_read_at_the_start_is_read(name: str) -> None:
    cold = plan("import numpy", args=("x",), env={name: "1"})
    (stage,) = cold.stages
    assert (stage.spec.mode, stage.spec.argv) == ("exec", ("python3", "main.py", "x"))
    assert not cold.is_warm
    assert cold.profile == LIGHT, "what is loaded there is of no use to it"
    assert plan("1", "javascript", env={name: "1"}).is_warm, "its language has no such rule"


@pytest.mark.parametrize(
    "env", [{"MYPYTHON": "1"}, {"LC_CTYPE": "1"}, {"A": "1"}, {"B": "language"}]
)
def test_another_variable_costs_no_warmth(env: dict[str, str]) -> None:
    assert plan("1", env=env).is_warm


def test_a_file_that_is_read_at_the_start_is_read() -> None:
    assert not with_files("main.py", "matplotlibrc").is_warm
    assert with_files("main.py", "matplotlibrc.txt", "x/matplotlibrc", "local/x").is_warm


@pytest.mark.parametrize(
    ("source", "path", "warm"),
    [
        ("import numpy", "random.py", False),
        ("import numpy", "six/__init__.py", False),
        ("import numpy", "numpy.cpython-311.so", False),
        ("import numpy", "randoms.py", True),
        (
            "import numpy",
            "lib/random.py",
            True,
        ),  # found when a path is added; then it is looked for
        ("import json", "random.py", True),
        ("import json", "six.py", True),
    ],
)
def test_what_numpy_would_have_imported_is_what_it_has_imported(
    source: str, path: str, warm: bool
) -> None:
    files = (SourceFile("main.py", source.encode()), SourceFile(path, b""))
    planned = make_plan(ExecutionRequest("python", files), OFFER)
    assert planned.is_warm is warm


def test_only_what_was_started_ahead_is_warm() -> None:
    warm = {"python": "1", "javascript": "1"}
    for language in CATALOGUE:
        assert plan("1", language).is_warm == (language in warm)
    assert not plan("1", path="x.py").is_warm
    assert not plan("1", "javascript", interactive=True).is_warm


@pytest.mark.parametrize("name", ["-c", "--version", "-", "--", "+x", "-/a.py"])
def test_a_program_is_never_an_option_of_its_interpreter(name: str) -> None:
    (stage,) = plan("1", path=name).stages
    assert stage.spec.argv == ("python3", f"./{name}")


@pytest.mark.parametrize("sizes", [(1,), (4096,), (1, 1), (4097, 0), (0, 0), (10_000, 5_000)])
def test_files_that_do_not_fit_their_workspace_are_refused(sizes: tuple[int, ...]) -> None:
    pages = sum(-(-size // mmap.PAGESIZE) for size in sizes)
    files = (SourceFile("main.py", b""),)
    files += tuple(SourceFile(f"{n}", b"x" * size) for n, size in enumerate(sizes))

    def planned(workspace_bytes: int) -> None:
        limits = Limits(workspace_bytes=workspace_bytes)
        make_plan(ExecutionRequest("python", files, limits=limits), OFFER)

    least = max(1, (pages - 1) * mmap.PAGESIZE + 1)
    planned(least)
    if least > 1:
        with pytest.raises(InvalidRequest, match=rf"limits.workspace_bytes.*at least {least} "):
            planned(least - 1)


def test_warm_node_and_plain_bash() -> None:
    assert plan("1", "javascript").stages[0].spec.mode == "in_place"
    assert plan("1", "javascript", path="x.js").stages[0].spec.argv == ("node", "x.js")
    assert plan("1", "javascript", path="-x.js").stages[0].spec.argv == ("node", "./-x.js")
    assert plan("ls", "bash").stages[0].spec.argv == ("bash", "main.sh")


def test_a_page_is_shown_not_executed() -> None:
    shown = plan("<b>\udcff</b>", "html")
    assert (shown.profile, shown.stages) == (None, ())
    assert shown.page == {"text/html": "<b>�</b>"}


@pytest.mark.parametrize("version", ["3", "3.11", "3.11.2"])
def test_versions_match_by_part(version: str) -> None:
    assert plan("1", version=version).language == "python"


@pytest.mark.parametrize(("language", "version"), [("cobol", None), ("python", "3.1")])
def test_unknown_languages_are_refused(language: str, version: str | None) -> None:
    request = ExecutionRequest(language, (SourceFile("main.py", b""),), version=version)
    with pytest.raises(UnsupportedLanguage):
        make_plan(request, OFFER)


def test_a_warm_program_is_not_used_for_a_terminal() -> None:
    (stage,) = plan("console.log(1)", "javascript", interactive=True).stages
    assert stage.spec.mode == "exec"
    (stage,) = plan("print(1)", interactive=True).stages
    assert stage.spec.mode == "in_place"


def test_it_is_used_where_input_stays_open_without_one() -> None:
    (stage,) = plan("console.log(1)", "javascript", interactive="pipe").stages
    assert (stage.spec.mode, stage.spec.has_terminal) == ("in_place", False)
    (stage,) = plan("print(1)", interactive=True, columns=132, rows=43).stages
    assert (stage.spec.has_terminal, stage.spec.columns, stage.spec.rows) == (True, 132, 43)


PLACED = replace(
    CATALOGUE["python"],
    version="3.12.0",
    profiles=(replace(LIGHT, place="strong"), replace(DATA, place="strong")),
)
CLASSES = {"strong": (PLACED,), "quick": (CATALOGUE["bash"],)}
CLASSED = Offer(OFFER.languages, CLASSES)


@pytest.mark.parametrize(
    ("source", "profile"), [("print(1)", PLACED.profiles[0]), ("import numpy", PLACED.profiles[1])]
)
def test_a_class_has_profiles_of_its_own(source: str, profile: WarmProfile) -> None:
    files = (SourceFile("main.py", source.encode()),)
    asked = ExecutionRequest("python", files, request_class="strong")
    assert make_plan(asked, CLASSED).profile == profile
    unasked = make_plan(replace(asked, request_class=None), CLASSED).profile
    assert unasked is not None
    assert unasked.place == ""


def test_a_class_has_languages_and_versions_of_its_own() -> None:
    asked = ExecutionRequest(
        "python", (SourceFile("main.py", b""),), version="3.12", request_class="strong"
    )
    assert make_plan(asked, CLASSED).language == "python"
    for other in (replace(asked, request_class=None), replace(asked, request_class="quick")):
        with pytest.raises(UnsupportedLanguage):
            make_plan(other, CLASSED)


@pytest.mark.parametrize("name", ["slow", "", "Strong", "strong "])
def test_a_class_that_is_none_is_a_problem_that_lists_those_there_are(name: str) -> None:
    asked = ExecutionRequest("python", (SourceFile("main.py", b""),), request_class=name)
    with pytest.raises(InvalidRequest) as caught:
        make_plan(asked, CLASSED)
    problem = problem_of(caught.value)
    assert problem.status == 422
    told = {"path": "request_class", "message": "must be one of quick, strong"}
    assert problem.body["errors"] == [told]
    with pytest.raises(InvalidRequest, match="there are no classes"):
        make_plan(asked, OFFER)


SIZED = replace(
    CATALOGUE["javascript"],
    profiles=(WarmProfile("node", warm_env={"OPTIONS": "heap={heap_mib}"}),),
    cold_env={"OPTIONS": "heap={heap_mib} nursery={nursery_mib}"},
)


def sized(memory_bytes: int, default_bytes: int = 512 * MIB, **env: str) -> Plan:
    limits = replace(DEFAULT_LIMITS, memory_bytes=memory_bytes)
    files = (SourceFile("main.js", b""),)
    request = ExecutionRequest("javascript", files, env=env, limits=limits)
    return make_plan(request, Offer((SIZED,)), default_bytes)


def test_a_heap_of_another_size_is_another_interpreters() -> None:
    assert sized(512 * MIB).is_warm
    assert sized(512 * MIB + 5).is_warm, "of the same size in MiB"
    assert not sized(300 * MIB).is_warm
    assert sized(300 * MIB, 300 * MIB).is_warm
    assert not sized(1).is_warm
    limits = replace(DEFAULT_LIMITS, memory_bytes=300 * MIB)
    assert plan("1", "javascript", limits=limits).is_warm, "nothing there has a size"


def test_options_of_a_new_interpreter_stand_before_those_of_the_request() -> None:
    def options(plan: Plan) -> str | None:
        return plan.stages[0].spec.env.get("OPTIONS")

    assert options(sized(512 * MIB)) is None
    assert options(sized(512 * MIB, OPTIONS="own")) == "own"
    assert options(sized(300 * MIB)) == "heap=300 nursery=9"
    assert options(sized(300 * MIB, OPTIONS="own x")) == "heap=300 nursery=9 own x"
    assert options(sized(300 * MIB, OPTIONS="")) == "heap=300 nursery=9 "


@pytest.mark.parametrize(
    ("memory_bytes", "text"),
    [(1, "1 1"), (MIB, "1 1"), (63 * MIB, "63 1"), (128 * MIB, "128 4"), (4096 * MIB, "4096 16")],
)
def test_a_heap_is_as_large_as_the_limit(memory_bytes: int, text: str) -> None:
    env = {"A": "{heap_mib} {nursery_mib}", "B": "{x}"}
    assert fit_to_memory(env, memory_bytes) == {"A": text, "B": "{x}"}
