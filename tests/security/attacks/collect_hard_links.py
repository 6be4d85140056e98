# Leaves one file under several names, and tries to link files of others.
# Expected containment: a file with more than one name is skipped.
# attack: {"collected": ["honest.txt"]}
import os

from attack import contained, refuse

open("honest.txt", "w").write("honest")
open("a.txt", "w").write("twice")
os.link("a.txt", "b.txt")
for path in ("/etc/passwd", "/usr/bin/bash"):
    refuse(path, os.link, path, "stolen")
contained()
