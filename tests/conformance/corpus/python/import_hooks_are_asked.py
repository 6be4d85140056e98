import sys


class Finder:
    asked = []

    def find_spec(self, name, path=None, target=None):
        self.asked.append(name)
        if name == "decimal":
            raise ModuleNotFoundError("refused here", name=name)


sys.meta_path.insert(0, Finder())
import json
import random
from collections import abc

for name in ("decimal", "statistics"):
    try:
        __import__(name)
    except ImportError as error:
        print(error)
print(list(dict.fromkeys(Finder.asked)))
print(list(sys.modules))
