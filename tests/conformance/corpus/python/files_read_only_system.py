import os

for path in ("/usr/x", "/etc/passwd", "/x", "/usr/local/x", "/proc/x"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError as error:
        print(error)
print(os.path.exists("/etc/passwd"), os.access("/usr", os.W_OK))
