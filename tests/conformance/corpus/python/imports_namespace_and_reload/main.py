import importlib

import space.part

print(type(space).__name__, space.part.VALUE, space.__file__)
with open("changing.py", "w") as file:
    file.write("VALUE = 'one'\n")
importlib.invalidate_caches()
import changing

print(changing.VALUE)
with open("changing.py", "w") as file:
    file.write("VALUE = 'another one'\n")
importlib.reload(changing)
print(changing.VALUE)
import space.missing
