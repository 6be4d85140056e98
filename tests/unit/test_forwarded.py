"""For whom a request comes: what trusted proxies say, and what others add to it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.gateway.http.forwarded import Forwarding, TrustedProxies
from vibecell.gateway.http.header_fields import Fields

PROXY = "10.0.0.1"
TRUSTED = TrustedProxies(("10.0.0.0/8", "2001:db8:ff::/48", "unix"))


def _asked(peer: str = PROXY, **fields: str) -> Forwarding:
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return TRUSTED.forwarding(peer, Fields(pairs))


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("198.51.100.1,203.0.113.7 ,\t10.1.2.3, 10.9.9.9", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:DB8::7]:4711", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 2001:db8:ff::1", "203.0.113.7"),
        # not to be read: the hop before it is the client, which is never a local one
        ("", PROXY),
        ("unknown", PROXY),
        ("127.0.0.1, _hidden", PROXY),
        ("127.0.0.1, 203.0.113.7.", PROXY),
        ("203.0.113.7, 999.1.1.1", PROXY),
        ("203.0.113.7, 010.0.0.1", PROXY),
        ("203.0.113.7,", PROXY),
        ("203.0.113.7, , 10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", PROXY),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(told: str, client: str) -> None:
    assert _asked(x_forwarded_for=told).client == client


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ('For="203.0.113.7:4711";by=_me;PROTO=https', "203.0.113.7"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]:_port"', "2001:db8:cafe::17"),
        ('by="a\\"b,;";for=203.0.113.7', "203.0.113.7"),
        ('for=203.0.113.7;by="\\\\"', "203.0.113.7"),
        ("for=198.51.100.1, for=203.0.113.7, for=10.1.2.3;proto=http", "203.0.113.7"),
        ('for=198.51.100.1;by="x, for=203.0.113.7', "203.0.113.7"),
        ('for="\\203.0.113.7"', "203.0.113.7"),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("proto=https", PROXY),
        ("for=203.0.113.7;for=203.0.113.8", PROXY),
        ("for=[2001:db8::7]", PROXY),
        ('for="2001:db8::7"', PROXY),
        ('for="203.0.113.7', PROXY),
        ("for =203.0.113.7", PROXY),
        ("for=203.0.113.7 by=x", PROXY),
        ("for=127.0.0.1, for=unknown, for=10.1.2.3", "10.1.2.3"),
    ],
)
def test_forwarded_is_read_from_the_right(told: str, client: str) -> None:
    assert _asked(forwarded=told).client == client


def test_scheme_and_host_are_those_that_the_client_asked_by() -> None:
    outer = 'for=203.0.113.7;proto=HTTPS;host="Code.example:8443"'
    asked = _asked(forwarded=f"for=198.51.100.1;host=evil, {outer}, for=10.1.2.3;proto=http")
    assert asked == Forwarding("203.0.113.7", "https", "code.example:8443")
    spoken = _asked(
        x_forwarded_for="203.0.113.7",
        x_forwarded_proto="http, https",
        x_forwarded_host="evil.example, code.example",
    )
    assert spoken == Forwarding("203.0.113.7", "https", "code.example")


@pytest.mark.parametrize(
    "host", ["a; script-src *", "a b", "a'b", "a/b", "", "a:123456", "a@b", "*.example", "\xe9"]
)
def test_a_host_that_could_be_more_than_one_is_not_believed(host: str) -> None:
    assert _asked(x_forwarded_host=host).host is None
    assert _asked(x_forwarded_proto="javascript").scheme is None


def test_of_two_kinds_of_header_only_what_both_say_is_believed() -> None:
    both = {"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "https"}
    agreed = _asked(forwarded="for=203.0.113.7;proto=https;host=a", **both)
    assert agreed == Forwarding("203.0.113.7", "https", None)
    # the proxy wrote one; the other came along from its client
    assert _asked(forwarded="for=198.51.100.1;proto=http", **both) == Forwarding(PROXY)
    alone = _asked(forwarded="for=203.0.113.7", x_forwarded_host="evil.example")
    assert alone == Forwarding("203.0.113.7")


def test_lines_of_one_header_are_one_list() -> None:
    pairs = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.7")]
    assert TRUSTED.forwarding(PROXY, Fields(pairs)).client == "203.0.113.7"
    pairs = [("forwarded", 'for="127.0.0.1'), ("forwarded", 'for="203.0.113.7"')]
    assert TRUSTED.forwarding(PROXY, Fields(pairs)).client == "203.0.113.7"


def test_who_is_trusted_is_said_by_networks() -> None:
    assert PROXY in TRUSTED and "unix" in TRUSTED and "2001:db8:ff::1" in TRUSTED
    assert "11.0.0.1" not in TRUSTED and "127.0.0.1" not in TRUSTED
    assert "unix" not in TrustedProxies(("10.0.0.0/8",))
    assert PROXY not in TrustedProxies(())
    assert _asked("unix", x_forwarded_for="203.0.113.7").client == "203.0.113.7"


def test_a_list_of_trusted_hops_without_an_end_is_not_walked_for_ever() -> None:
    told = ", ".join(["127.0.0.1", *["10.1.2.3"] * 5000])
    assert _asked(x_forwarded_for=told).client == "10.1.2.3"


_V4 = st.ip_addresses(v=4).map(str).filter(lambda x: x not in TRUSTED)
_V6 = st.ip_addresses(v=6).filter(lambda x: x.ipv4_mapped is None).map(str)
_CLIENT = st.one_of(_V4, _V6.filter(lambda x: x not in TRUSTED))
_HOPS = st.lists(st.sampled_from(["10.1.2.3", "10.255.0.9", "2001:db8:ff::1"]), max_size=4)
_SPOOFED = st.text(st.sampled_from(string.printable[:95] + "\t\xe9") | st.sampled_from('",;=\\[]'))


def _spelt(address: str) -> str:
    return f'for="[{address}]:80"' if ":" in address else f"for={address}"


@given(
    _SPOOFED, _CLIENT, _HOPS, st.sampled_from(["", ";proto=https", ';by="a,\\"b"', ';by="\\\\"'])
)
def test_nothing_a_client_writes_into_forwarded_changes_who_it_is(
    spoofed: str, client: str, hops: list[str], more: str
) -> None:
    written = [_spelt(each) + more for each in (client, *hops)]
    assert _asked(forwarded=", ".join([spoofed, *written])).client == client
    assert _asked(forwarded=",".join(written)).client == client


@given(_SPOOFED, _CLIENT, _HOPS)
def test_nothing_a_client_writes_into_x_forwarded_for_changes_who_it_is(
    spoofed: str, client: str, hops: list[str]
) -> None:
    told = ", ".join([spoofed, client, *hops])
    assert _asked(x_forwarded_for=told, x_forwarded_host=f"{spoofed}, a.example") == Forwarding(
        client, None, "a.example"
    )


@given(_SPOOFED, _SPOOFED)
def test_whatever_is_written_is_read_to_some_end(forwarded: str, addresses: str) -> None:
    asked = _asked(forwarded=forwarded, x_forwarded_for=addresses, x_forwarded_host=forwarded)
    assert asked.client == PROXY or "." in asked.client or ":" in asked.client
