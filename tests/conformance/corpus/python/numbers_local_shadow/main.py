from numbers import GREETING

print(GREETING)
