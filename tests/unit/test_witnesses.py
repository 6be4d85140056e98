"""Whoever counts, logs or audits is told of each execution once, when it has ended."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from owners import ME
from vibecell.config import Settings
from vibecell.engine.executions import Executions
from vibecell.engine.witnesses import Ended, Source, Witness
from vibecell.languages.catalogue import catalogue, describe
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Offer
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.fake.scripted_backend import FakeBackend

REQUEST = ExecutionRequest("py", (SourceFile("main.py", b"print(1)\n"),))
ASKED = Provenance("request-1", "192.0.2.1", "key")


class _Noting:
    def __init__(self) -> None:
        self.told: list[Ended] = []

    def ended(self, ended: Ended) -> None:
        self.told.append(ended)


class _Failing:
    def ended(self, ended: Ended) -> None:
        raise RuntimeError("a disk is full")


def _run(
    tmp_path: Path,
    witnesses: Sequence[Witness],
    *requests: tuple[ExecutionRequest, Provenance],
) -> None:
    async def scenario() -> None:
        settings = Settings(run_dir=tmp_path, state_dir=tmp_path, backend="fake")
        descriptions = describe()
        versions = {d.needs.program: "1.0" for d in descriptions if d.needs.program}
        backend = FakeBackend()
        await backend.open()
        offer = Offer(catalogue(descriptions, versions).languages)
        executions = Executions(settings, backend, offer, witnesses=witnesses)
        for request, provenance in requests:
            key = "key" if provenance is ASKED else None
            kept, _ = executions.admit(request, ME, key, provenance)
            await kept.log.last_message()
        await executions.stop()
        await backend.close()

    asyncio.run(scenario())


def _told(tmp_path: Path, *requests: tuple[ExecutionRequest, Provenance]) -> list[Ended]:
    noting = _Noting()
    _run(tmp_path, (_Failing(), noting), *requests)
    return noting.told


def test_an_end_is_told_with_whose_it_was_and_from_where_it_was_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (ended,) = _told(tmp_path, (REQUEST, ASKED))
    assert (ended.owner, ended.provenance, ended.language) == (ME.owner, ASKED, "python")
    assert ended.place == ""
    assert ended.result.verdict is Verdict.ACCEPTED
    assert ended.id == ended.result.id
    order = ["running", "cell", "exit", "result"]
    times = [ended.moments_ns[name] for name in order]
    assert times == sorted(times)
    assert "a disk is full" in caplog.text, "a witness that fails is told of, and stops nobody"


def test_what_names_an_execution_again_ends_nothing(tmp_path: Path) -> None:
    assert len(_told(tmp_path, (REQUEST, ASKED), (REQUEST, ASKED))) == 1


def test_a_page_needs_no_cell_and_is_told_of(tmp_path: Path) -> None:
    page = ExecutionRequest("html", (SourceFile("index.html", b"<p>"),))
    (ended,) = _told(tmp_path, (page, NO_REQUEST))
    assert (ended.place, ended.provenance) == (None, NO_REQUEST)


def test_a_source_is_told_by_a_hash_that_others_can_make() -> None:
    source = Source.of(REQUEST)
    assert (source.size_bytes, source.files) == (9, 1)
    assert source.sha256 == hashlib.sha256(b"7:9:main.pyprint(1)\n").hexdigest()


def test_no_two_lists_of_files_have_one_hash() -> None:
    files = [
        (SourceFile("a", b"bc"),),
        (SourceFile("ab", b"c"),),
        (SourceFile("a", b""), SourceFile("b", b"c")),
        (SourceFile("b", b"c"), SourceFile("a", b"")),
    ]
    assert len({Source.of(replace(REQUEST, files=each)).sha256 for each in files}) == len(files)
