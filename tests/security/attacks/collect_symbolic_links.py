# Leaves links to files and folders of the host as output files.
# Expected containment: collection never follows a link.
# attack: {"collected": ["honest.txt"]}
import os
import sys

from attack import contained

open("honest.txt", "w").write("honest")
for n, target in enumerate(
    (
        "/etc/passwd",
        "/etc/shadow",
        "/",
        "/proc/1/environ",
        "/proc/self/mem",
        "/root",
        "../../../etc/passwd",
        "/dev/zero",
        "/proc/1/root/etc/passwd",
        *sys.argv[1:],
    )
):
    os.symlink(target, f"link{n}.txt")
    os.makedirs(f"folder{n}", exist_ok=True)
    os.symlink(os.path.dirname(target) or "/", f"folder{n}/up")
os.symlink("loop", "loop")
contained()
