class Rude(Exception):
    def __str__(self):
        raise ValueError("no words")


class Long(Exception):
    pass


import traceback

try:
    raise Long("x" * 5000)
except Long:
    traceback.print_exc()
raise Rude("hello")
