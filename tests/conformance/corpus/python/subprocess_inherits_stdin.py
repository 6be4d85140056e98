# case: {"stdin": "first line\nsecond line\n"}
import subprocess

print(subprocess.check_output(["cat"]))
print(repr(input()) if False else "stdin was consumed by the child")
