"""What happens to every answer of this gateway, each in one place.

Owns the steps of the chain (``http/answer_chain.py``): header fields that all
answers have, the request's name, the times of a traced request, which page may read it,
what is left of rates, counting, a line of the log, holding back who is refused too often.
Refuses to know how an answer came about.
"""

import time

from vibecell.gateway import security_headers
from vibecell.gateway.http.answer_chain import Answer, AnswerChain
from vibecell.gateway.parts import Gateway
from vibecell.gateway.rate_fields import tell_rates
from vibecell.gateway.refusals import OF_ADDRESS, Refusals
from vibecell.gateway.request_log import log_end, log_upgrade
from vibecell.gateway.timing import NAME, server_timing

_SWITCHING_PROTOCOLS = 101
REQUEST_ID_FIELD = "X-Request-Id"


def answer_chain(gateway: Gateway) -> AnswerChain:
    """The chain of one gateway, counting into its metrics."""
    metrics = gateway.metrics

    def count(answer: Answer) -> None:
        seconds = time.perf_counter() - answer.began_s
        metrics.answered(answer.method, answer.route, answer.status, seconds)

    refusals = Refusals(gateway.policy.refused_per_minute)
    told = tell_rates(gateway.quota)
    let_read = gateway.cross_origin.let_read
    steps = (tell_request_id, keep_from_harm, tell_times, told, let_read, count, log_upgrade)
    return AnswerChain(steps, refusals.wait_s, OF_ADDRESS, log_end)


def metrics_chain() -> AnswerChain:
    """The chain of a listener of metrics: who reads them changes none of them."""
    return AnswerChain((tell_request_id, keep_from_harm))


def tell_request_id(answer: Answer) -> None:
    """The name by which the request is found in logs, whoever gave it."""
    answer.fields.append((REQUEST_ID_FIELD, answer.connection.request_id))


def keep_from_harm(answer: Answer) -> None:
    """The strict set of security headers, but for what an endpoint has set otherwise."""
    if answer.status != _SWITCHING_PROTOCOLS:  # it has no body that a browser could show
        answer.add_missing(security_headers.API)


def tell_times(answer: Answer) -> None:
    """The moments of a request, where all of them were noted."""
    marks = answer.connection.marks
    if "encoded" in marks.taken_ns and (times := server_timing(marks)) is not None:
        answer.fields.append((NAME, times))
