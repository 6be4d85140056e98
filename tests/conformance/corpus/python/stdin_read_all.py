# case: {"stdin": "línea uno\nline two\n\nlast without newline"}
import sys

text = sys.stdin.read()
print(len(text), repr(text))
print(repr(sys.stdin.read()), repr(sys.stdin.readline()))
