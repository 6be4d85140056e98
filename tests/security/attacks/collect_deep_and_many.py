# Leaves very many files and a very deep folder.
# Expected containment: bounded in number, depth and time.
# attack: {"max_collected": 64}
import os

from attack import contained

for n in range(1500):
    open(f"file{n}.txt", "w").write(str(n))
home = os.getcwd()
try:
    for n in range(700):
        os.mkdir("d")
        os.chdir("d")
        open("f.txt", "w").write("deep")
except OSError as error:
    print(error)
os.chdir(home)
contained()
