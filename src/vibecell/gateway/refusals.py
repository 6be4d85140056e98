"""How often one peer is refused without having said who it is.

Owns that bound, by address; refuses to count what an owner was refused, which
is bounded by the owner's own quota, and to hold back what would be answered well:
others may come from the same address.
"""

import math

from vibecell.gateway.http.answer_chain import Answer
from vibecell.gateway.http.connection import network_of
from vibecell.gateway.problems import problem_of
from vibecell.gateway.rates import PerMinute
from vibecell.model.errors import LimitReached

#: How the server tells a peer that it came too often, or with too many connections.
OF_ADDRESS = problem_of(LimitReached("too much at once from this address")).body


class Refusals:
    """Refusals of strangers within the last minute.

    Args:
        most: of one address.
    """

    def __init__(self, most: int) -> None:
        self._window = PerMinute(most)

    def wait_s(self, answer: Answer) -> int:
        """Count an answer that is about to be sent, if it is a refusal of a stranger's request.

        Returns:
            Seconds the peer has to wait, where it was refused too often; 0 otherwise.
        """
        connection = answer.connection
        if not 400 <= answer.status < 500 or connection.owner is not None:
            return 0
        network = network_of(connection.client)
        wait_s = self._window.wait_s(network)
        if wait_s > 0.0:
            return math.ceil(wait_s)
        self._window.count(network)
        return 0
