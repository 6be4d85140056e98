import os
import subprocess

print(subprocess.check_output("printf 'b\\na\\nc\\n' | sort | tr a-z A-Z", shell=True, text=True))
print(subprocess.run("exit 5", shell=True).returncode)
print(subprocess.run("kill -9 $$", shell=True).returncode)
print(os.popen("echo popen").read(), end="")
print(os.waitstatus_to_exitcode(os.system("exit 9")))
process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(process.communicate(b"through cat\n")[0])
try:
    subprocess.run(["no-such-program"])
except FileNotFoundError as error:
    print(error)
