"""The ``vibecell`` command: composition, supervision, and what a person asks."""
