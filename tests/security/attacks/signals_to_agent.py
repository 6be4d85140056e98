# Kills pid 1, its parent and its own group's strangers, with every signal.
# Expected containment: the agent is of another identity, or pid 1 of its namespace, and lives on.
import os
import signal
from attack import contained

for number in sorted(signal.valid_signals()):
    for pid in (1, os.getppid()):
        if pid == os.getpid() or pid == 0:
            continue
        try:
            os.kill(pid, number)
        except OSError as error:
            print("refused:", pid, int(number), error)
contained()
