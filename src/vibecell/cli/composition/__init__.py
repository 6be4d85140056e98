"""Where the rooms are put together: the one place that names concrete classes.

backends.py     the table of backends: name, images, walls
providers.py    what a backend is for a deployment, and what several have in common
containers.py   what the table has for containers; imported with their SDK only
executors.py    who executes; with key_place.py all that the gateway's process imports of these
key_place.py    where keys and the server's secrets are; the gateway's process imports it, too
ledgers.py      where what was used is kept
audits.py       where it is kept who did what; the gateway's process imports it, too
deployment.py   the places of a deployment, and the languages of each
image_spec.py   what all languages need of a runtime image
"""
