"""What an engine and a gateway audit, and what they do where they cannot."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from owners import ME
from unit.served_gateway import Served, posted
from vibecell.cli.composition.audits import engine_audit, gateway_audit, trail_to
from vibecell.config import ConfigError, Settings
from vibecell.engine.auditing import Auditing
from vibecell.engine.executions import Executions
from vibecell.gateway.credential_audit import CredentialAudit
from vibecell.languages.catalogue import catalogue, describe
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import StoreUnavailable
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Offer
from vibecell.model.provenance import Provenance
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.fake.scripted_backend import FakeBackend
from vibecell.sharing import audit_trail
from vibecell.sharing.audit import AuditQuery, AuditRecord
from vibecell.sharing.audit_trail import AuditBounds, AuditTrail
from vibecell.sharing.key_desk import KeyDesk
from vibecell.sharing.key_ring import KeyRing, KeyView
from vibecell.sharing.keys import Key
from vibecell.sharing.memory_audit import MemoryAudit
from vibecell.sharing.memory_key_store import MemoryKeyStore
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

SECRET = "a word that only the program has"
REQUEST = ExecutionRequest("py", (SourceFile("main.py", f"print('{SECRET}')\n".encode()),))
ASKED = Provenance("request-1", "192.0.2.1", "token")
BOUNDS, REQUIRED = AuditBounds(90, 2**28), AuditBounds(90, 2**28, required=True)


class Failing(MemoryAudit):
    """An audit whose file is damaged."""

    def open(self) -> None:
        raise StoreUnavailable("open the audit", "is damaged")


Scenario = Callable[[Executions, Auditing], Coroutine[None, None, None]]


def with_engine(tmp_path: Path, store: MemoryAudit, bounds: AuditBounds, play: Scenario) -> None:
    async def scenario() -> None:
        settings = Settings(run_dir=tmp_path, state_dir=tmp_path, backend="fake")
        descriptions = describe()
        versions = {d.needs.program: "1.0" for d in descriptions if d.needs.program}
        backend = FakeBackend()
        await backend.open()
        offer = Offer(catalogue(descriptions, versions).languages)
        auditing = Auditing(AuditTrail(store, bounds))
        try:
            await auditing.open()
            executions = Executions(settings, backend, offer, auditing=auditing)
            await play(executions, auditing)
            await executions.stop()
        finally:
            await auditing.close()
            await backend.close()

    asyncio.run(scenario())


async def run(executions: Executions, account: Account = ME) -> None:
    noted = _noted(executions)
    kept, _ = executions.admit(REQUEST, account, None, ASKED)
    await kept.log.last_message()
    async with asyncio.timeout(30):  # it is audited once its cell is gone, too
        while _noted(executions) == noted:
            await asyncio.sleep(0.01)


def _noted(executions: Executions) -> int:
    return sum(count for name, count in executions.counts().items() if name.startswith("audit_"))


def records(store: MemoryAudit) -> list[AuditRecord]:
    return [*store.read(AuditQuery())]


def test_an_execution_is_audited_with_who_what_when_and_from_where(tmp_path: Path) -> None:
    store = MemoryAudit()

    async def play(executions: Executions, auditing: Auditing) -> None:
        await run(executions, Account(Owner("shop", "ann")))

    with_engine(tmp_path, store, BOUNDS, play)
    (record,) = records(store)
    assert (record.act, record.key, record.user) == ("execution", "shop", "ann")
    asked = (record.request_id, record.address, record.credential)
    assert asked == ("request-1", "192.0.2.1", "token")
    done = record.execution
    assert done is not None
    assert (done.verdict, done.language, done.files) == (Verdict.ACCEPTED, "python", 1)
    assert done.size_bytes == len(REQUEST.files[0].content) and len(done.sha256) == 64
    assert done.usage.output_bytes == len(SECRET) + 1
    assert done.begun_at_us <= record.at_us
    assert SECRET not in repr(record)


def test_what_an_engine_has_audited_is_among_its_counts(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []

    async def play(executions: Executions, auditing: Auditing) -> None:
        await run(executions)
        seen.append(executions.counts())

    with_engine(tmp_path, MemoryAudit(), BOUNDS, play)
    counts = {name: count for name, count in seen[0].items() if name.startswith("audit_")}
    assert sum(counts.values()) == 1 and counts.keys() == {
        "audit_written", "audit_waiting", "audit_lost",
    }  # fmt: skip


def test_a_damaged_audit_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def play(executions: Executions, auditing: Auditing) -> None:
        for _ in range(3):
            await run(executions)
        await asyncio.sleep(1.2)
        await run(executions)
        assert executions.counts()["audit_waiting"] == 4

    with_engine(tmp_path, Failing(), BOUNDS, play)
    assert "is damaged" in caplog.text and "4 acts are in no audit" in caplog.text


def test_an_audit_that_is_required_and_damaged_stops_the_start(tmp_path: Path) -> None:
    async def play(executions: Executions, auditing: Auditing) -> None:
        raise AssertionError("it has started")

    with pytest.raises(StoreUnavailable, match="is damaged"):
        with_engine(tmp_path, Failing(), REQUIRED, play)


def test_nothing_begins_that_could_not_be_audited_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "OVERDUE_S", 0.0)

    class Full(MemoryAudit):
        def append(self, records: Sequence[AuditRecord]) -> None:
            raise StoreUnavailable("write the audit", "database or disk is full")

    async def play(executions: Executions, auditing: Auditing) -> None:
        await run(executions)
        async with asyncio.timeout(30):
            while True:
                try:
                    await run(executions)
                except StoreUnavailable as error:
                    assert error.step == "write the audit"
                    return
                await asyncio.sleep(0.05)

    with_engine(tmp_path, Full(), REQUIRED, play)


class AuditedGateway:
    """A gateway that serves, its keys and its audit."""

    def __init__(self, bounds: AuditBounds = BOUNDS) -> None:
        self.store, self.now_s = MemoryAudit(), 0.0
        self.trail = AuditTrail(self.store, bounds, steady_clock=lambda: self.now_s)
        self.audit = CredentialAudit(self.trail)
        self._keys, self._secrets = MemoryKeyStore(), ServerSecrets((new_server_secret(),))
        self.desk = KeyDesk(self._keys, self._secrets)
        self._ring = KeyRing(view=self._view())
        self.served = Served(keys=self._ring, audit=self.audit)

    def _view(self) -> KeyView:
        return KeyView(self._keys.records(), self._secrets)

    def look(self) -> None:
        self._ring.take(self._view())

    def ask(self, path: str, key: str, body: object) -> tuple[int, Any]:
        fields = f"Authorization: Bearer {key}\r\nX-Request-Id: mine\r\n"
        answer = self.served.told(posted(path, json.dumps(body).encode(), fields=fields))
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(rest)

    def written(self) -> list[AuditRecord]:
        for record in self.audit._dead_keys.owed():
            self.trail.note(record)
        self.trail.write()
        return records(self.store)


@pytest.fixture
def gateway() -> Iterator[AuditedGateway]:
    made = AuditedGateway()
    yield made
    made.served.end()


def test_a_token_that_is_issued_is_audited_and_not_its_text(gateway: AuditedGateway) -> None:
    made = gateway.desk.create(Key("", "shop"))
    gateway.look()
    status, answer = gateway.ask(
        "/v1/tokens", made.text, {"user": "ann", "scopes": ["read"], "expires_in_s": 60}
    )
    assert status == 201
    (record,) = gateway.written()
    assert (record.act, record.key, record.user) == ("token_issued", made.key.id, "ann")
    assert (record.request_id, record.address) == ("mine", "127.0.0.1")
    assert record.granted is not None and record.granted.scopes == ("read",)
    assert record.granted.expires_at_us is not None
    assert record.granted.expires_at_us - record.at_us <= 60_000_000
    assert answer["token"] not in repr(record) and made.text not in repr(record)
    served = gateway.served
    told = served.gateway.metrics.text(served.gateway.executor, 0).decode()
    assert 'vibecell_audit_acts_total{outcome="written",process="gateway"} 1.0' in told


@pytest.mark.parametrize("shown", ["key", "token"])
def test_a_key_that_was_revoked_is_told_of_when_it_is_shown(
    gateway: AuditedGateway, shown: str
) -> None:
    made = gateway.desk.create(Key("", "shop"))
    gateway.look()
    text = made.text
    if shown == "token":
        text = gateway.ask("/v1/tokens", made.text, {"user": "ann"})[1]["token"]
    gateway.desk.revoke(made.key.id)
    gateway.look()
    for _ in range(50):
        assert gateway.ask("/execute", text, {"code": "print(1)"})[0] in (401, 429)
    refused = [x for x in gateway.written() if x.act == "credential_refused"]
    assert {(x.key, x.reason, x.credential) for x in refused} == {(made.key.id, "revoked", shown)}
    assert len(refused) == 2 and refused[1].count is not None
    assert refused[0].address == "127.0.0.1" and refused[0].request_id == "mine"
    assert text not in repr(refused)


def test_a_key_that_has_expired_is_told_of_and_a_guess_is_not(gateway: AuditedGateway) -> None:
    made = gateway.desk.create(Key("", "shop"), lifetime_s=-1.0)
    gateway.look()
    assert gateway.ask("/execute", made.text, {"code": "1"})[0] == 401
    guess = made.text[:-1] + ("y" if made.text.endswith("x") else "x")
    assert gateway.ask("/execute", guess, {"code": "1"})[0] == 401
    (record,) = gateway.written()
    assert (record.key, record.reason, record.count) == (made.key.id, "expired", None)


def test_no_token_is_issued_that_could_not_be_audited_as_it_has_to_be() -> None:
    gateway = AuditedGateway(REQUIRED)
    try:
        made = gateway.desk.create(Key("", "shop"))
        gateway.look()
        gateway.trail._store = Failing()
        gateway.trail.write()
        assert gateway.ask("/v1/tokens", made.text, {"user": "ann"})[0] == 201
        gateway.now_s += audit_trail.OVERDUE_S
        status, answer = gateway.ask("/v1/tokens", made.text, {"user": "ann"})
        assert (status, answer["type"]) == (503, "urn:vibecell:problem:store-unavailable")
    finally:
        gateway.served.end()


def test_each_of_the_two_writes_where_nobody_else_does(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, run_dir=tmp_path)
    assert engine_audit(settings)._file._path == tmp_path / "audit" / "acts.sqlite3"
    assert gateway_audit(settings)._file._path == tmp_path / "gateway" / "audit" / "acts.sqlite3"


def test_off_nothing_is_audited_and_required_it_cannot_be_off(tmp_path: Path) -> None:
    off = Settings(state_dir=tmp_path, run_dir=tmp_path, audit="off")
    assert trail_to(engine_audit(off), off) is None
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ConfigError, match="audit_required: audit is off"):
        Settings(audit="off", audit_required=True)
