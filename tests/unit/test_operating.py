"""What operators are given (rules, dashboard, words) goes by what is really measured."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from host import lacking
from vibecell.gateway.exposition import exposition
from vibecell.model.families import FAMILIES
from vibecell.model.measures import Tally

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"][0]["rules"]
CASES = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text())["tests"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "vibecell.json").read_text())
OPERATE = (ROOT / "docs" / "howto" / "operate.md").read_text()
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
NAME = re.compile(r"\bvibecell_[a-z0-9_]+\b")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SAMPLES = {f"{each.name}{end}" for each in FAMILIES.values() for end in SUFFIXES[each.kind]}


def promtool() -> str:
    return shutil.which("promtool") or lacking("promtool (Debian package prometheus)")


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_what_an_expression_names_is_measured(where: str, expression: str) -> None:
    names = set(NAME.findall(expression))
    assert names or expression == 'up{job="vibecell"} == 0', where
    assert names <= SAMPLES
    for name, labels in re.findall(r"\b(vibecell_[a-z0-9_]+)\{([^}]*)\}", expression):
        family = next(
            each
            for each in FAMILIES.values()
            if name in {each.name + end for end in SUFFIXES[each.kind]}
        )
        asked = set(re.findall(r"([a-z_]+)(?:=|!=|=~|!~)\"", labels))
        assert asked <= {*family.labels, "instance", "job"}


def test_every_family_is_on_the_page_of_metrics_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(vibecell_[a-z0-9_]+)` \| (\w+) \|([^|]*)\|", PAGE, re.M)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    ends = {"counter": "_total"}
    assert told == {
        each.name + ends.get(each.kind, ""): (each.kind, each.labels) for each in FAMILIES.values()
    }
    assert len(rows) == len(told)


def test_every_alert_has_its_paragraph_and_every_paragraph_its_alert() -> None:
    alerts = [rule["alert"] for rule in RULES]
    parts = re.split(r"^### ", OPERATE.partition("## Alerts")[2], flags=re.M)[1:]
    paragraphs = {part.split()[0]: part for part in parts}
    assert sorted(paragraphs) == sorted(alerts)
    assert len(alerts) == len(set(alerts))
    for name, text in paragraphs.items():
        assert len(text.split()) > 30, f"{name} says what it means, what to look at, what to do"
    assert set(NAME.findall(OPERATE)) <= SAMPLES | FAMILIES.keys()


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    found = {
        (test["alertname"], bool(test["exp_alerts"]))
        for case in CASES
        for test in case["alert_rule_test"]
    }
    assert found == {(rule["alert"], fires) for rule in RULES for fires in (True, False)}


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules.test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=["rules", "cases", "configuration"],
)
def test_promtool_takes(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [promtool(), *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_to_say_of_any_family() -> None:
    text = exposition(Tally(each, [each.labels]).measured() for each in FAMILIES.values())
    done = subprocess.run(
        [promtool(), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
