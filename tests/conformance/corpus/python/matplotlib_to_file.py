# case: {"profile": "data"}
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 2, 3], [1, 4, 9])
figure.savefig("plot.png")
print(open("plot.png", "rb").read(8), axes.get_xlim(), matplotlib.get_backend())
