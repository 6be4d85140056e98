# Looks for set-id files and file capabilities, and tries to make one that works.
# Expected containment: the image has none; the workspace is nosuid; no new privileges.
import os
import shutil
import stat
import subprocess
from attack import contained, escaped

for directory, folders, files in os.walk("/", onerror=None):
    if directory == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys")]
    for name in files:
        try:
            mode = os.lstat(os.path.join(directory, name)).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            escaped("set-id file " + os.path.join(directory, name))
shutil.copy("/usr/bin/id", "/workspace/id")
os.chmod("/workspace/id", 0o6755)
out = subprocess.run(["/workspace/id", "-u"], capture_output=True, text=True).stdout.strip()
if out != str(os.getuid()):
    escaped("effective uid " + out)
contained()
