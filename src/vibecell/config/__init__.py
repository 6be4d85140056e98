"""What an operator may set: ``settings`` what there is, ``reading`` where it comes from,
``rules`` what a value must keep, ``conversion`` how it is read, ``handover`` how children are told,
``garbage`` how they give memory back, of which nothing can be set.
"""

from vibecell.config.handover import pack, unpack
from vibecell.config.reading import PREFIX, load
from vibecell.config.settings import (
    DEFAULT_BASE_IMAGE,
    ConfigError,
    LogFormat,
    LogLevel,
    Place,
    Settings,
    require_closed_door,
)

__all__ = [
    "DEFAULT_BASE_IMAGE",
    "PREFIX",
    "ConfigError",
    "LogFormat",
    "LogLevel",
    "Place",
    "Settings",
    "load",
    "pack",
    "require_closed_door",
    "unpack",
]
