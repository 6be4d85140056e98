"""Several backends as one: each execution behind the walls its profile names.

Owns which backend is which *place*, and their common life: they open together,
and what the host grants them is given back when the last has closed. Refuses to
decide who goes where: that is in the profile (``WarmProfile.place``).
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.model.measures import Measured
from vibecell.sandbox.backend import Backend, Cell, TellPosition
from vibecell.sandbox.host.shares import Host


class Places:
    """See ``backend.Backend``.

    Args:
        backends: by the name of the place; the default one, "", is among them.
        host: what they share; closed with them.
    """

    def __init__(self, backends: Mapping[str, Backend], host: Host) -> None:
        self._backends = backends
        self._host = host

    async def probe(self) -> Capabilities:
        """See ``backend.Backend.probe``: of the default place, and all others' layers."""
        whole = await self._backends[""].probe()
        layers = list(whole.layers)
        for place, backend in self._backends.items():
            if place:
                found = await backend.probe()
                layers += [replace(x, name=f"{place}: {x.name}") for x in found.layers]
        return replace(whole, layers=tuple(layers))

    async def probe_each(self) -> dict[str, Capabilities]:
        """The capabilities of every place by itself."""
        return {place: await backend.probe() for place, backend in self._backends.items()}

    async def reap(self) -> None:
        """See ``backend.Backend.reap``.

        Of all places, before the first wall of any: what was left may hold the uids that
        the first wall is given.
        """
        self._host.reap_strays()
        for place, backend in self._backends.items():
            with _said_of(place):
                await backend.reap()

    async def open(self) -> None:
        """See ``backend.Backend.open``."""
        await self.reap()
        (await self.probe()).require_all()
        for place, backend in self._backends.items():
            with _said_of(place):
                await backend.open()

    async def acquire(self, profile: WarmProfile, tell: TellPosition | None = None) -> Cell:
        """See ``backend.Backend.acquire``."""
        return await self._backends[profile.place].acquire(profile, tell)

    def counts(self) -> dict[str, int]:
        """See ``backend.Backend.counts``; names of other places begin with the place's."""
        return {
            f"{place}.{name}" if place else name: value
            for place, backend in self._backends.items()
            for name, value in backend.counts().items()
        }

    async def measured(self) -> tuple[Measured, ...]:
        """See ``backend.Backend.measured``: of all places, and of the host once."""
        found = [each for backend in self._backends.values() for each in await backend.measured()]
        return (*found, *await self._host.measured())

    async def close(self) -> None:
        """See ``backend.Backend.close``."""
        await asyncio.gather(*(backend.close() for backend in self._backends.values()))
        self._host.close()


@contextlib.contextmanager
def _said_of(place: str) -> Iterator[None]:
    """Whatever fails is said to be that place's; the default one needs no name."""
    try:
        yield
    except SandboxFailure as error:
        if not place:
            raise
        raise SandboxFailure(f"open the place {place}", str(error)) from error
