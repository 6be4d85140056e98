# case: {"profile": "data", "env": {"MPLBACKEND": "pdf"}}
with open("matplotlibrc", "w") as file:
    file.write("lines.linewidth: 7.5\n")
import matplotlib

print(matplotlib.get_backend(), matplotlib.rcParams["lines.linewidth"], matplotlib.matplotlib_fname())
print(matplotlib.rcParamsOrig["lines.linewidth"], matplotlib.rcParamsDefault["lines.linewidth"])
import matplotlib.pyplot as plt

print(plt.rcParams["backend"], plt.plot([1])[0].get_linewidth())
plt.rcdefaults()
matplotlib.rc_file_defaults()
print(matplotlib.rcParams["lines.linewidth"], matplotlib.get_backend())
