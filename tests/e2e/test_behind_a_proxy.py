"""The playground and a page of several files, behind TLS on another port and under a path."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from e2e.browser import driven
from e2e.test_pages import SAID, said
from host import Service, lacking
from tls_proxy import TlsProxy

TIMEOUT_S = 120.0
pytestmark = pytest.mark.timeout(TIMEOUT_S + 120)  # the service may have to start first
PAGES = ("asked", "modules_import_each_other_and_json", "a_link_leads_to_another_of_its_pages")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsProxy]:
    """One that as yet leads nowhere."""
    if shutil.which("openssl") is None:
        lacking("openssl")
    made = TlsProxy("/run", tmp_path_factory.mktemp("tls"))
    yield made
    made.close()


@pytest.fixture(scope="module", params=["passed on", "taken away"])
def seen(
    request: pytest.FixtureRequest,
    proxy: TlsProxy,
    start_service: Callable[[dict[str, str]], Service],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What pages said behind a proxy that leaves the path as it is, or takes its own part away."""
    proxy.strips = request.param == "taken away"
    if proxy.upstream[1] == 0:
        service = start_service({"VIBECELL_GATEWAY__PUBLIC_URL": proxy.url})
        proxy.upstream = ("127.0.0.1", int(service.url.rpartition(":")[2]))
    folder = str(tmp_path_factory.mktemp("pictures"))
    return driven("pages.mjs", proxy.url + "/", folder, ",".join(PAGES), timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("place", ["tab", "frame"])
def test_a_page_has_its_files(place: str, seen: dict[str, Any]) -> None:
    # in the frame, which the playground made: so its socket was let in as well
    told = said(seen, place)
    assert len(told) >= 20
    assert told == {page: SAID[page] for page in told}


def test_links_lead_through_the_proxy(seen: dict[str, Any], proxy: TlsProxy) -> None:
    begun = requests.post(
        f"{proxy.url}/v1/executions",
        json={"language": "html", "code": "x"},
        verify=str(proxy.certificate),
        timeout=30,
    )
    assert begun.headers["Location"] == f"{proxy.url}/v1/executions/{begun.json()['id']}"
