"""Programs that run behind the walls; known elsewhere as files to copy, but for ``frames``.

They import the standard library and each other, by bare names: inside a cell
this package does not exist.
"""
