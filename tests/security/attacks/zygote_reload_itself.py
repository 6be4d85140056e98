# Imports and runs the platform's own programs again from inside a cell.
# Expected containment: they find no control socket and no rights.
import os
import subprocess
import sys

from attack import contained

environment = dict(os.environ, PYTHONPATH="/usr/lib/vibecell", VIBECELL_CONTROL_FD="0")
for arguments in (
    ["-c", "print(1)"],
    ["-c", "import zygote; zygote.live()"],
    ["-c", "import agent, runner"],
):
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2,
        )
        print(done.returncode, done.stderr[-200:])
    except subprocess.TimeoutExpired:
        print("hangs on its own socket, harms nobody")
contained()
