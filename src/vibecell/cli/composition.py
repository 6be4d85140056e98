"""Where the rooms are put together.

Owns the choice of concrete classes and the hand-over of what languages need
to the image that satisfies it; refuses everything that could be decided
inside a room.
"""

from pathlib import Path

from vibecell.config import Settings
from vibecell.languages.catalogue import Catalogue, Description, catalogue, describe
from vibecell.sandbox.backend import Backend
from vibecell.sandbox.rootfs import Image, ImageSpec, Program, build_image

CELL_PROGRAMS = Path(__file__).parent.parent / "cell"
_INTERPRETER = "python3"  # not looked up: the image copies the running one


def image_spec(descriptions: tuple[Description, ...], program_path: str) -> ImageSpec:
    """The image that all these languages need together."""
    programs: dict[str, Program] = {}
    trees: list[Path] = []
    requirements = []
    for needs in (d.needs for d in descriptions):
        for name in needs.programs:
            programs.setdefault(name, Program(name))
        if needs.program and needs.program != _INTERPRETER:
            programs[needs.program] = Program(needs.program, version_args=needs.version_args)
        trees.extend(needs.trees)
        if needs.requirements is not None:
            requirements.append(needs.requirements)
    if len(requirements) != 1:
        raise ValueError("exactly one language must bring the interpreter's requirements")
    return ImageSpec(
        programs=tuple(programs.values()),
        trees=tuple(trees),
        requirements=requirements[0],
        cell_programs=CELL_PROGRAMS,
        program_path=program_path,
    )


def prepare(settings: Settings) -> tuple[Image, Catalogue]:
    """The runtime image, built if it is new, and the languages it can run.

    Raises:
        SandboxFailure: the image cannot be built.
    """
    descriptions = describe()
    spec = image_spec(descriptions, settings.program_path)
    image = build_image(spec, settings.state_dir / "images")
    return image, catalogue(descriptions, image.versions)


def make_backend(settings: Settings, image: Image, languages: Catalogue) -> Backend:
    """The outer wall that the settings name."""
    if settings.backend == "fake":
        from vibecell.sandbox.fake import FakeBackend

        return FakeBackend()
    from vibecell.sandbox.bubblewrap.backend import BubblewrapBackend

    return BubblewrapBackend(settings, image.root, languages.profiles)
