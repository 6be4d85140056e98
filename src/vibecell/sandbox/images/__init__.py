"""The runtime image: what a program sees as ``/``.

Owns what is in it, whichever way it is filled; refuses accounts, keys and set-id files of
the host. What builds the image of containers is in ``docker/``.

rootfs.py           the directory behind bubblewrap, built once, found by its fingerprint
rootfs_contents.py  what is copied into it from this host
libraries.py        the shared libraries that those files need
adapted_packages.py what is done to Python packages, so that figures and pictures are shown;
                    like the next, builds run it too
image_rules.py      what holds of every image; standard library only, since builds run it too
"""
