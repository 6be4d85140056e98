# Leaves traces in every module, then looks for them in the next run.
# Expected containment: a cell is one fork of the zygote and is never used again.
# attack: {"mode": "twice"}
import builtins
import json
import os
import random
import sys
import tempfile
from attack import contained, escaped

for module in (builtins, json, os, random, sys):
    if hasattr(module, "planted"):
        escaped(f"{module.__name__} carries a mark of the run before")
    module.planted = True
if "PLANTED" in os.environ or "planted" in sys.modules:
    escaped("environment or module table of the run before")
os.environ["PLANTED"] = "1"
os.putenv("PLANTED", "1")
sys.modules["planted"] = sys
json.dumps = lambda *a: "poisoned"
tempfile.tempdir = "/planted"
sys.path.insert(0, "/planted")
os.umask(0)
contained()
