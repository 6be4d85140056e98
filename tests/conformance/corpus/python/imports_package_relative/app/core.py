from . import settings
from .tools.text import shout


def run(value):
    return settings.PREFIX + shout(value)
