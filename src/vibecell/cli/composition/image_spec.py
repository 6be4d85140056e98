"""What languages need, handed to the images that satisfy it.

Owns the sum over all languages; refuses to know any of them, or how an image is made.
"""

from pathlib import Path

from vibecell.languages.catalogue import Description
from vibecell.sandbox.images.rootfs_contents import ImageSpec, Program

CELL_PROGRAMS = Path(__file__).parents[2] / "cell"


def image_spec(descriptions: tuple[Description, ...], program_path: str) -> ImageSpec:
    """The image that all these languages need together."""
    programs: dict[str, Program] = {}
    trees: list[Path] = []
    packages = {p: package for d in descriptions for p, package in d.needs.packages.items()}
    for needs in (d.needs for d in descriptions):
        for name in needs.programs:
            programs.setdefault(name, Program(name, (), packages.get(name, "")))
        if needs.program and not needs.in_every_image:
            package = packages.get(needs.program, "")
            programs[needs.program] = Program(needs.program, needs.version_args, package)
        trees.extend(needs.trees)
        for path in needs.cell_programs:
            if (CELL_PROGRAMS / path.name).exists():
                raise ValueError(f"cell_programs: there is a {path.name} already")
    return ImageSpec(
        programs=tuple(programs.values()),
        trees=tuple(trees),
        requirements=tuple(d.needs.requirements for d in descriptions if d.needs.requirements),
        cell_programs=CELL_PROGRAMS,
        program_path=program_path,
        more_cell_programs=tuple(p for d in descriptions for p in d.needs.cell_programs),
    )
