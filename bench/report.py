"""Writing what was measured: to the terminal, as JSON, into the documentation.

Owns the tables' form and the markers between which the documentation's
numbers stand; refuses to replace them by those of a part or of a quick run.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import Machine
from bench.rows import Row

BEGIN = "<!-- the numbers below are written by make bench -->"
END = "<!-- the numbers above are written by make bench -->"


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the benchmark.

    Attributes:
        at: when it began, ISO 8601.
        revision: of the tree that was measured, if that is known.
        rows: by the names of their cases.
    """

    at: str
    revision: str
    quick: bool
    machine: Machine
    rows: tuple[tuple[str, Row], ...]

    def as_json(self) -> str:
        """The whole report."""
        processors = self.machine.processors
        return json.dumps(
            {
                "at": self.at,
                "revision": self.revision,
                "quick": self.quick,
                "machine": asdict(self.machine),
                "rows": [{"case": name, **r.as_json(processors)} for name, r in self.rows],
            },
            indent=2,
        )

    def as_markdown(self) -> str:
        """Goals, what a case has to tell beside, what each contender did, and the machine."""
        length = "a quick run: rough numbers" if self.quick else "a full run"
        of = f", revision {self.revision}" if self.revision else ""
        parts = [f"Taken at {self.at}{of}; {length}.", self._goals(), *self._notes()]
        parts += self._facts()
        parts.append(self._contenders())
        parts.append(_table(("machine", ""), self.machine.lines()))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _goals(self) -> str:
        head = ("case", "what", "measured", "reference", "ratio", "goal", "")
        return _table(
            head,
            [
                (
                    *(name, row.label, row.measured, row.reference, row.ratio),
                    *(row.goal.text() if row.goal else "", row.verdict),
                )
                for name, row in self.rows
            ],
        )

    def _notes(self) -> list[str]:
        lines = [f"- {name}, {row.label}: {row.why}" for name, row in self.rows if row.why]
        return ["\n".join(lines)] if lines else []

    def _facts(self) -> list[str]:
        """A table for each case whose rows have facts; what a row lacks is left empty."""
        tables = []
        for case in dict.fromkeys(name for name, row in self.rows if row.facts):
            rows = [row for name, row in self.rows if name == case and row.facts]
            columns = list(dict.fromkeys(column for row in rows for column in row.facts))
            lines = [
                (row.label, *(row.facts.get(column, "") for column in columns)) for row in rows
            ]
            tables.append(_table((case, *columns), lines))
        return tables

    def _contenders(self) -> str:
        head = (
            *("case", "contender", "p50 ms", "p95 ms", "p99 ms", "runs/s", "CPU ms/run"),
            *("kernel threads ms/run", "load generator"),
        )
        lines = []
        for name, row in self.rows:
            for series in row.series:
                share = series.client_share(self.machine.processors)
                lines.append(
                    (
                        *(name, series.contender, series.p50_ms.text()),
                        *(f"{series.pooled_ms(0.95):.1f}", f"{series.pooled_ms(0.99):.1f}"),
                        *(series.per_s.text(), series.cpu_ms_per_run.text()),
                        *(f"{series.kernel_ms_per_run.median:.1f}", f"{share:.1%}"),
                    )
                )
        return _table(head, lines) if lines else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def between_markers(document: str, text: str) -> str:
    """The document with ``text`` in the place that is written by the benchmark.

    Raises:
        ValueError: it does not have both markers, once each and in order.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError("the document does not have the benchmark's two markers")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def write(report: Report, results: Path, documentation: Path | None) -> Path:
    """Write the JSON; the documentation too, where it is named. Returns the JSON's path.

    Raises:
        ValueError: the documentation has no place for it.
        OSError: it cannot be written.
    """
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{report.at.replace(':', '')}.json"
    path.write_text(report.as_json() + "\n")
    if documentation is not None:
        documentation.write_text(between_markers(documentation.read_text(), report.as_markdown()))
    return path
