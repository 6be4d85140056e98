import sys
import zipfile

with zipfile.ZipFile("bundle.zip", "w") as bundle:
    bundle.writestr("zipped/__init__.py", "from .mod import fail\n")
    bundle.writestr("zipped/mod.py", "def fail():\n    raise ValueError('from a zip')\n")
sys.path.insert(0, "bundle.zip")
import zipped

print(zipped.__file__, type(zipped.__loader__).__name__)
zipped.fail()
