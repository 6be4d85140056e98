# Leaves FIFOs and sockets, which make a reader wait for ever.
# Expected containment: only regular files are read.
# attack: {"collected": ["honest.txt"], "max_wall_ms": 4000}
import os
import socket

from attack import contained

open("honest.txt", "w").write("honest")
os.mkfifo("fifo.txt")
socket.socket(socket.AF_UNIX).bind("socket.txt")
os.makedirs("folder.txt/empty")
contained()
