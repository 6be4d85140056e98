import json
import string

print(json.__file__, json.ours)
print(string.ours)
import collections.abc

print(collections.abc.__name__)
