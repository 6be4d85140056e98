import os
import tempfile

kept = tempfile.TemporaryDirectory(dir=".", prefix="t-")
print(len(os.listdir(".")))
