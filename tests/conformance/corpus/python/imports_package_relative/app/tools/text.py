from .. import settings


def shout(value):
    return value.upper() + settings.PREFIX
