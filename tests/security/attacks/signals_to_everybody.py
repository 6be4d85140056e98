# kill(-1) with every signal that does not end itself, then with SIGKILL from a child.
# Expected containment: it reaches processes of this cell only; the run is judged and ends.
# attack: {"may_die": true}
import os
import signal
from attack import contained

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
    try:
        os.kill(-1, number)
    except OSError as error:
        print("refused:", error)
contained()
os.kill(-1, signal.SIGKILL)
