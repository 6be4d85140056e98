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
block = open("/proc/self/environ", "rb").read().split(b"\0")
print(sorted(name for name in (entry.split(b"=")[0] for entry in block) if name))
print(os.path.expanduser("~"), os.environ.get("HOME"))
