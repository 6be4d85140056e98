import random

print(random.__file__)
print(hasattr(random, "roll"), hasattr(random, "randint"))
print(random.roll())
