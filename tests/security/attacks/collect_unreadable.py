# Leaves files and folders that may not be read, and takes the workspace's own rights away.
# Expected containment: what offends is skipped, the rest is kept, nothing hangs.
import os

from attack import contained

os.mkdir("closed")
open("closed/x.txt", "w").write("x")
os.chmod("closed", 0)
open("secret.txt", "w").write("x")
os.chmod("secret.txt", 0)
contained()
os.chmod("/workspace", 0)
