import io
import sys


class Shouting(io.TextIOBase):
    def __init__(self, below):
        self.below = below

    def write(self, text):
        return self.below.write(text.upper())

    def flush(self):
        self.below.write("[flushed]\n")
        self.below.flush()


sys.stdout = Shouting(sys.stdout)
print("said")
