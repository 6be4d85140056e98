import sys


def even(n):
    return odd(n + 1)


def odd(n):
    return even(n + 1)


print(sys.getrecursionlimit())
try:
    even(0)
except RecursionError as error:
    print(type(error).__name__, error)


def depth(n=1):
    try:
        return depth(n + 1)
    except RecursionError:
        return n


print("frames available to a program:", depth())
