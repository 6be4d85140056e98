# case: {"env": {"GREETING": "hällo", "EMPTY": "", "PATH_LIKE": "/a:/b"}}
import os
import subprocess

for name in sorted(os.environ):
    if name != "LINES":
        print(name, repr(os.environ[name]))
os.environ["ADDED"] = "by the program"
del os.environ["EMPTY"]
os.putenv("RAW", "put")
lines = subprocess.check_output(["env"], text=True).splitlines()
print(sorted(line for line in lines if not line.startswith("_=")))
print(os.path.expanduser("~"), os.environ.get("HOME"))
