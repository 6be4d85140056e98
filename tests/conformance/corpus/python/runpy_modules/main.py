import runpy
import sys

print(runpy.run_path("script.py", run_name="given")["result"])
print(runpy.run_module("tool", alter_sys=True)["result"])
print(sys.argv)
runpy.run_path("script.py", run_name="__main__")
