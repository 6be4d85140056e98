import threading


def late():
    threading.main_thread().join()
    print("printed after the end of main")


threading.Thread(target=late).start()
print("end of main")
