# case: {"files": {"data/input.csv": "name,score\nada,3\nalan,4\n"}}
import csv
import os
import pathlib
import shutil
import tempfile

print(sorted(os.listdir()), os.listdir("data"))
rows = list(csv.DictReader(open("data/input.csv")))
print(rows)
pathlib.Path("out").mkdir()
pathlib.Path("out/a.txt").write_text("text ü\n", encoding="utf-8")
print(pathlib.Path("out/a.txt").read_bytes(), pathlib.Path("out/a.txt").resolve())
os.rename("out/a.txt", "out/b.txt")
os.symlink("b.txt", "out/link")
print(sorted(os.listdir("out")), os.readlink("out/link"), oct(os.stat("out/b.txt").st_mode))
shutil.rmtree("out")
print(sorted(os.listdir()))
with tempfile.TemporaryDirectory() as directory:
    print(os.path.dirname(directory), os.listdir(directory))
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x")
    file.seek(0)
    print(file.read(), tempfile.gettempdir())
os.chdir("/tmp")
print(os.getcwd(), __file__)
open("/workspace/data/none.csv")
