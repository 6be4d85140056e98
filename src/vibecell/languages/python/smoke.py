import math
import sys

import matplotlib
import numpy as np
import pandas as pd
import PIL
import requests
import sympy

assert matplotlib.__version__ and PIL.__version__ and requests.__version__
x = sympy.Symbol("x")
frame = pd.DataFrame({"n": np.arange(4)})
print(
    sys.implementation.name.replace("cpython", "python"),
    math.prod([6, 7]),
    float(sympy.solve(x - 3.0, x)[0]),
    frame["n"].sum(),
    2**10,
)
