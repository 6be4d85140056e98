import sys
import threading


def work():
    print("in a thread", end="")
    sys.stderr.write("on the other stream")


worker = threading.Thread(target=work)
worker.start()
worker.join()
sys.stdout = None
