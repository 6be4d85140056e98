"""All that is measured in the engine's process, at one moment.

Owns putting it together for who asks; refuses to count: that is where things happen.
"""

import platform

from vibecell.engine.executions import Executions
from vibecell.model import families
from vibecell.model.capabilities import Capabilities
from vibecell.model.measures import Measured, gauge, merged


class Measuring:
    """Of one engine.

    Args:
        executions: all of them.
        capabilities: what was measured at start.
        restarts: how often an engine was started again before this one, as who starts them says.
    """

    def __init__(self, executions: Executions, capabilities: Capabilities, restarts: int) -> None:
        self._executions = executions
        from vibecell import __version__  # which imports this room

        build = (__version__, platform.python_version(), capabilities.backend)
        self._fixed = (
            gauge(families.ENGINE_RESTARTS, restarts),
            gauge(families.BUILD, 1, *build),
        )

    async def measured(self, is_ready: bool) -> tuple[Measured, ...]:
        """All families, each once."""
        found = await self._executions.measured()
        return merged((gauge(families.READY, is_ready), *self._fixed, *found))
