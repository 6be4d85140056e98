class ConfigError(Exception):
    pass


def read(mapping, key):
    try:
        return mapping[key]
    except KeyError as error:
        raise ConfigError(f"no {key}") from error


def during():
    try:
        read({}, "port")
    except ConfigError:
        return int("not a number")


def hidden():
    try:
        during()
    except ValueError:
        raise RuntimeError("context hidden") from None


import traceback

try:
    hidden()
except RuntimeError:
    traceback.print_exc()
during()
