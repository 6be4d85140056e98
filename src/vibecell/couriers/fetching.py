"""One document from an address that the settings name.

Owns the bounds of a fetch: https, or this machine; no redirects, no cookies, no proxy that an
environment names; so many bytes within so much time. Refuses to interpret what came.
"""

import asyncio

import httpx

FETCH_TIMEOUT_S = 10.0
_STEP_TIMEOUT_S = 5.0


class FetchFailed(Exception):
    """It did not come; the message says why, and repeats nothing of what came."""


async def fetch(url: str, most_bytes: int) -> bytes:
    """The body of an answer of status 200.

    Raises:
        FetchFailed: nobody answers, or with anything else, too much or too slowly.
    """
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            return await _fetch(url, most_bytes)
    except TimeoutError:
        raise FetchFailed(f"it took more than {FETCH_TIMEOUT_S:.0f} s") from None
    except httpx.HTTPError as error:
        raise FetchFailed(f"{type(error).__name__}: {error}"[:200]) from error


async def _fetch(url: str, most_bytes: int) -> bytes:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=_STEP_TIMEOUT_S, headers=headers) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise FetchFailed(f"it answered {answer.status_code}")
        body = bytearray()
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > most_bytes:
                raise FetchFailed(f"it has more than {most_bytes} bytes")
        return bytes(body)
