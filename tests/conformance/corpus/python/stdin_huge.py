# case: {"stdin_repeat": ["0123456789abcdef\n", 20000]}
import hashlib
import sys

data = sys.stdin.buffer.read()
print(len(data), hashlib.sha256(data).hexdigest())
