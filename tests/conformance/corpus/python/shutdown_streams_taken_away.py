"""Text from before a stream is taken away, with and without a newline."""
import io
import sys

print("a line")
print("a part", end="")
sys.stderr.write("of errors")
sys.stdout, sys.stderr = io.StringIO(), None
print("captured")
