"""One key prints more than all that is kept may be: whose results and idempotency keys stay."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from integration.live import Service

FLOOD, QUIET = "the-key-of-a-flood-012", "the-key-of-a-quiet-one"
MIB = 1024 * 1024
LOUD = {"code": f"print('{'x' * (MIB // 4)}')"}
RUN_ONCE = {"code": "print('mine')"}


class Clients:
    def __init__(self, service: Service) -> None:
        self.service = service

    def ask(
        self, method: str, path: str, credential: str, body: object = None, **fields: str
    ) -> requests.Response:
        fields["Authorization"] = f"Bearer {credential}"
        url = self.service.url + path
        return requests.request(method, url, json=body, headers=fields, timeout=30)

    def once(self, credential: str, name: str) -> Any:
        """The answer to a request with this idempotency key, the first one and each again."""
        fields = {"Idempotency-Key": name}
        answer = self.ask("POST", "/execute", credential, RUN_ONCE, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def user(self, name: str) -> str:
        answer = self.ask("POST", "/v1/tokens", FLOOD, {"user": name})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def flood(self, credential: str, count: int) -> list[str]:
        """Ids of what printed a quarter of a mebibyte each."""
        found = []
        for _ in range(count):
            answer = self.ask("POST", "/execute", credential, LOUD)
            assert len(answer.json()["output"]) > MIB // 4
            found.append(answer.json()["id"])
        return found

    def is_there(self, credential: str, name: str) -> bool:
        status = self.ask("GET", f"/v1/executions/{name}", credential).status_code
        assert status in (200, 404)
        return status == 200


@pytest.fixture
def clients(make_whole_service: Callable[..., Service]) -> Clients:
    keys = {"api_keys": [FLOOD, QUIET]}
    return Clients(make_whole_service({"event_log_bytes": 2 * MIB}, policy=keys))


def test_a_key_that_floods_with_output_forgets_no_other_keys_results(clients: Clients) -> None:
    mine = [clients.once(QUIET, f"once-{at}") for at in range(5)]
    loud = clients.flood(FLOOD, 16)
    assert not clients.is_there(FLOOD, loud[0]), "there was no flood"
    assert clients.is_there(FLOOD, loud[-1])
    for at, was in enumerate(mine):
        assert clients.is_there(QUIET, was["id"])
        assert clients.once(QUIET, f"once-{at}")["id"] == was["id"], "it ran again"


def test_a_user_that_floods_with_output_forgets_nothing_of_his_keys_others(
    clients: Clients,
) -> None:
    ann, bob = clients.user("ann"), clients.user("bob")
    of_bob, of_key = clients.once(bob, "once"), clients.once(FLOOD, "once")
    loud = clients.flood(ann, 16)
    assert not clients.is_there(ann, loud[0]), "there was no flood"
    for credential, was in ((bob, of_bob), (FLOOD, of_key)):
        assert clients.is_there(credential, was["id"])
        assert clients.once(credential, "once")["id"] == was["id"], "it ran again"
