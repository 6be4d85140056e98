"""Where the rooms are put together: the one place that names concrete classes.

image_spec.py   what all languages need of a runtime image
deployment.py   the places of a deployment, and the languages of each
containers.py   places that are containers, and the image of each language there
"""
