import os
import subprocess
import sys

read, write = os.pipe()
os.close(read)
try:
    os.write(write, b"x")
except BrokenPipeError as error:
    print(error)
# A shell must get SIGPIPE back at its default, so `yes | head` ends.
print(subprocess.check_output("yes | head -n 2", shell=True))
child = subprocess.Popen(
    [sys.executable, "-c", "while True: print('y')"],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
)
child.stdout.readline()
child.stdout.close()
child.stderr.read()
print(child.wait())
