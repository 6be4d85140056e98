# Replaces folders by links while they may be collected, and the workspace itself.
# Expected containment: collection comes after every process is dead and works by descriptor.
import os
import time

from attack import contained, refuse

refuse("replace the workspace", os.rename, "/workspace", "/tmp/w")
refuse("remove the workspace", os.rmdir, "/workspace")
os.makedirs("data")
open("data/passwd", "w").write("mine")
contained()
if os.fork() == 0:
    os.setsid()
    while True:
        os.rename("data", "kept")
        os.symlink("/etc", "data")
        os.unlink("data")
        os.rename("kept", "data")
time.sleep(0.1)
