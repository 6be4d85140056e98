"""Walls that are containers of the local Docker engine.

Theory of operation. A container (``container.py`` describes it) starts our zygote,
which meets us on a socket in a directory of its own
(``container_wall.py``); from then on the daemon has no part in what runs: cells are
forked, spoken to and ended as behind bubblewrap. The container's wall is the
daemon's doing and stands under rules of ours; the zygote then makes a user
namespace in it, and each agent the inner wall. A daemon that does not allow
that is found by the probe, and refused. A container ends when its zygote does, and
that ends when we do; what is left all the same is found by its label (``strays.py``).

Owns what was found out about the daemon; refuses images that are not ours, runtimes
that the daemon does not have, and containers that it cannot bound.
"""

import os
from collections.abc import Mapping
from typing import Any

from vibecell.config import Settings
from vibecell.model.capabilities import Layer, Wall
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox import probe
from vibecell.sandbox.docker import container_wall
from vibecell.sandbox.docker.container import ContainerSpec, describe
from vibecell.sandbox.docker.image import RuntimeImage
from vibecell.sandbox.docker.roster import Roster
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.host.wall_bounds import WallBounds

LAYER = "outer wall (Docker)"


class DockerWalls:
    """See ``outer_walls.Walls``.

    Args:
        settings: limits and pool sizes.
        roster: the engine's containers; shared by all places that have some.
        wall: whether cells share a container.
        runtime: OCI runtime of the containers; empty is the daemon's default.
        images: the runtime image of each warm profile, and under "" that of all others.
    """

    name = "docker"
    # failures are spaced by up to two seconds: about a quarter of a minute, in which
    # a daemon that was restarted is back
    patience = 16

    def __init__(
        self,
        settings: Settings,
        roster: Roster,
        wall: Wall,
        runtime: str,
        images: Mapping[str, RuntimeImage],
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._wall = wall
        self._runtime = runtime
        self._images = images
        self._info: Mapping[str, Any] = {}
        roster.join(self)

    @property
    def maps_uids(self) -> bool:
        """See ``outer_walls.Walls``: as root, and the uids in containers are the host's."""
        return os.geteuid() == 0 and not self._has_security_option("userns", "rootless")

    def _has_security_option(self, *names: str) -> bool:
        told = self._info.get("SecurityOptions") or ()
        return any(f"name={name}" in option.split(",") for option in told for name in names)

    def uid_layer(self) -> Layer:
        """See ``outer_walls.Walls``."""
        if self.maps_uids or os.geteuid():
            return probe.uid_layer_where(self.maps_uids)
        if self._wall == "fresh":
            return probe.uid_layer(True, "every container has a uid of its own, which is no user's")
        told = "cells of one container share its uid; namespaces alone keep them apart"
        return probe.uid_layer(False, told, mend='wall = "fresh", or a daemon that remaps no uids')

    async def prepare(self) -> tuple[Layer, ...]:
        """See ``outer_walls.Walls``."""
        info = await self._roster.info()
        self._require_runtime(info)
        self._info = info
        return self._layers()

    def _require_runtime(self, info: Mapping[str, Any]) -> None:
        known = sorted(info.get("Runtimes") or {})
        if self._runtime and self._runtime not in known:
            said = f"{self._runtime} is none of the Docker engine's: {', '.join(known)}"
            raise SandboxFailure("find the container runtime", said)

    def _layers(self) -> tuple[Layer, ...]:
        version = self._info.get("ServerVersion")
        runtime = self._runtime or self._info.get("DefaultRuntime")
        seccomp = self._has_security_option("seccomp")
        bounds = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "processes"}
        if self._wall == "fresh":
            bounds["CpuCfsQuota"] = "processors"
        unbounded = [name for name in bounds if not self._info.get(name)]
        return (
            Layer(LAYER, True, f"Docker {version}, runtime {runtime}"),
            Layer.of(
                "container seccomp",
                seccomp,
                "a profile of ours in place of the daemon's",
                mend="a Docker engine and a kernel with seccomp",
            ),
            Layer.of(
                "container limits",
                not unbounded,
                "bounded in every container: " + ", ".join(bounds.values()),
                mend="cgroup controllers for the Docker engine; docker info lacks "
                + ", ".join(unbounded),
            ),
        )

    async def open(self) -> None:
        """See ``outer_walls.Walls``."""
        await self._roster.open()

    async def build(self, profile: WarmProfile, share: Share) -> container_wall.ContainerWall:
        """See ``outer_walls.Walls``."""
        uids = share.uids
        image = self._images.get(profile.name) or self._images[""]
        ids = (uids.first, uids.first) if uids is not None else self._roster.own_ids()

        def body(folder: str) -> dict[str, Any]:
            return describe(self._spec(profile, image, ids, share.bounds, folder))

        return await container_wall.build(
            self._roster.engine,
            self._roster.folder,
            body,
            user=ids[0] if uids is not None else None,
            uids=uids,
            born=self._roster.born,
            gone=self._roster.gone,
            ended=share.close,
        )

    def _spec(
        self,
        profile: WarmProfile,
        image: RuntimeImage,
        ids: tuple[int, int],
        bounds: WallBounds,
        folder: str,
    ) -> ContainerSpec:
        return ContainerSpec(
            image=image.id,
            image_env=tuple(entry.partition("=")[0] for entry in image.env),
            user=ids[0],
            group=ids[1],
            control_folder=folder,
            owner=self._roster.owner,
            profile=profile.name,
            runtime=self._runtime,
            bounds=bounds,
            file_bytes=self._settings.ceiling.workspace_bytes,
            apparmor=self._has_security_option("apparmor"),
        )

    def not_standing(self, error: SandboxFailure) -> Layer:
        """See ``outer_walls.Walls``."""
        return Layer(
            LAYER,
            enforced=False,
            detail=str(error),
            mend="see docs/howto/docker.md: the engine must run, have the image and the "
            "runtime, and let a container make user namespaces and mounts in them",
        )

    async def close(self) -> None:
        """See ``outer_walls.Walls``."""
        await self._roster.leave(self)
