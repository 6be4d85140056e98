import sys

for i in range(4000):
    print(f"{i:05d}", "x" * 100)
sys.stderr.write("e" * 100_000)
