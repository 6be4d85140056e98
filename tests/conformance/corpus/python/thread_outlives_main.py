import threading
import time


def late():
    time.sleep(0.2)
    print("printed after the end of main")


threading.Thread(target=late).start()
print("end of main")
