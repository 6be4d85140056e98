# Prints what two runs of the data profile must not have in common.
# Expected containment: numpy's legacy generator is reseeded after the fork.
# attack: {"mode": "differ", "profile": "python-data"}
import random

import numpy
from attack import contained

print("legacy", numpy.random.rand())
print("generator", numpy.random.default_rng().random())
print("random", random.random())
contained()
