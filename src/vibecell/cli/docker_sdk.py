"""Whether the Docker SDK is installed, which is an extra.

Owns the sentence that says it is not; refuses to import what needs it: call
``require_sdk`` before anything of ``vibecell.sandbox.docker`` is imported.
"""

from importlib.util import find_spec

from vibecell.model.errors import PlatformError


def require_sdk() -> None:
    """Make sure that the Docker backend can be imported.

    Raises:
        PlatformError: it cannot; says how it is installed.
    """
    if find_spec("docker") is None or find_spec("docker.api") is None:
        said = "the Docker SDK is not installed; to mend: pip install 'vibecell[docker]'"
        raise PlatformError("use the Docker engine", said)
