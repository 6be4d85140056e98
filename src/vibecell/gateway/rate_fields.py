"""The header fields that tell a caller how much is left of its rates.

Owns their form; refuses to tell a user what is left to his key: that would tell him what the
key's other users do. Likewise an address's rate is told only to whom it has refused.

Source: draft-ietf-httpapi-ratelimit-headers-11 (RateLimit header fields for HTTP), RFC 9651
(structured fields): both are lists of strings with parameters that are integers. ``q`` is how
many within ``w`` seconds; ``r`` how many are left, and ``t`` the seconds until there are more.
"""

import math
from functools import lru_cache

from vibecell.gateway.http.answer_chain import Answer, Field, Step
from vibecell.gateway.http.connection import Connection
from vibecell.gateway.quota import Bound, Quota, notes_of


def tell_rates(quota: Quota) -> Step:
    """A step that tells whoever has shown who it is; nobody else has a rate of his own."""

    def step(answer: Answer) -> None:
        bounds = _told(quota, answer.connection)
        if bounds:
            answer.fields += fields_of(quota, bounds)

    return step


def fields_of(quota: Quota, bounds: tuple[Bound, ...]) -> tuple[Field, Field]:
    """Both fields, for one bound at least."""
    left = ", ".join(_left(quota, bound) for bound in bounds)
    return ("RateLimit-Policy", ", ".join(map(_policy, bounds))), ("RateLimit", left)


def _told(quota: Quota, connection: Connection) -> tuple[Bound, ...]:
    notes = notes_of(connection)
    account, begins_for, refused_by = notes.account, notes.begins_for, notes.refused_by
    if account is None:
        return ()
    # a user's first bound is his own, a key's is its only one; a key that begins something
    # for one of its users is told both
    bounds = quota.bounds(account)[:1]
    if begins_for is not None and account.owner.user is None:
        bounds = quota.bounds(begins_for)
    if refused_by is not None and refused_by not in bounds:
        bounds = (*bounds, refused_by)
    return bounds


def _left(quota: Quota, bound: Bound) -> str:
    left = quota.left(bound)
    told = f'"{bound.whose}";r={left.remaining}'
    return f"{told};t={math.ceil(left.more_in_s)}" if left.more_in_s else told


@lru_cache(1024)
def _policy(bound: Bound) -> str:
    return f'"{bound.whose}";q={bound.rate.count};w={bound.rate.period_s}'
