import threading

print([t.name for t in threading.enumerate()], threading.active_count())
print(threading.current_thread() is threading.main_thread())
print(threading.main_thread().native_id == __import__("os").getpid())
t = threading.Thread(target=lambda: print(threading.current_thread().name))
t.start()
t.join()
local = threading.local()
lock = threading.RLock()
counter = 0


def add():
    global counter
    for _ in range(1000):
        with lock:
            counter += 1


threads = [threading.Thread(target=add) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(counter)
