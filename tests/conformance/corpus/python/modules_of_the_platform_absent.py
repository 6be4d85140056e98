import importlib
import sys

names = ["sitecustomize", "usercustomize", "zygote", "agent", "runner", "frames", "confine"]
names += ["workspace", "watch", "mounts", "messages", "vibecell", "main_runner", "runner_python"]
for name in names:
    print(name, name in sys.modules, end=" ")
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(type(error).__name__, error)
print(sorted(k for k in sys.path_importer_cache if "vibecell" in k))
import gc

owned = [o for o in gc.get_objects() if "vibecell" in str(getattr(o, "__file__", ""))]
print(owned)
