# Tries to plant byte code and packages where later interpreters look.
# Expected containment: no folder of the interpreter's search path but the workspace can be written.
# attack: {"mode": "twice"}
import os
import site
import sys
from attack import contained, escaped, refuse

for folder in sys.path[1:] + [os.path.dirname(os.__file__), site.getusersitepackages()]:
    if os.path.isdir(folder):
        refuse(folder, open, folder + "/sitecustomize.py", "w")
        refuse(folder + "/__pycache__", os.makedirs, folder + "/__pycache__/planted")
import json.tool

if getattr(json, "__cached__", "").startswith("/usr"):
    refuse("byte code", open, json.__cached__, "wb")
planted = "/workspace/.local", "/tmp/planted", "/dev/shm/planted"
for path in planted:
    if os.path.exists(path):
        escaped("a file of the run before: " + path)
for path in planted:
    try:
        os.makedirs(path)
    except OSError as error:
        print(error)
contained()
