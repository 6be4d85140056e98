import subprocess
import sys

script = "import sys, os; print(sys.path[1:], sys.flags.isolated, sorted(os.environ))"
for flags in ([], ["-I"], ["-S"], ["-E"], ["-s"]):
    sys.stdout.flush()
    subprocess.run([sys.executable, *flags, "-c", script], check=True)
