# case: {"stdin_base64": "AAECgP/+Cg0K8J+Zgg=="}
import os
import sys

print(sys.stdin.buffer.read(4))
print(os.read(0, 100))
print(sys.stdin.buffer.read())
