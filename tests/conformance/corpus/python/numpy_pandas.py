# case: {"profile": "data"}
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
print(rng.integers(0, 10, 5), np.linspace(0, 1, 3), np.__name__)
np.random.seed(3)
print(np.random.rand(2))
frame = pd.DataFrame({"k": list("abab"), "v": [1, 2, 3, 4]})
print(frame.groupby("k").v.agg(["sum", "mean"]))
print(frame.describe())
np.zeros(3) @ np.zeros(4)
