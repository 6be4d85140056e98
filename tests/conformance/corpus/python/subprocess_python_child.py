import subprocess
import sys

child = "import sys; print(sys.argv, sys.path[0] == ''); sys.exit(6)"
done = subprocess.run([sys.executable, "-c", child, "a", "b"], capture_output=True, text=True)
print(done.returncode, done.stdout, done.stderr)
print("before the child", flush=True)
subprocess.run([sys.executable, "-c", "print('the child writes to our stdout')"])
failing = subprocess.run([sys.executable, "-c", "1/0"], stderr=subprocess.PIPE, text=True)
print(failing.returncode)
print(failing.stderr)
subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True)
