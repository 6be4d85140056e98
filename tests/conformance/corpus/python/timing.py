import time

start = time.monotonic()
time.sleep(0.05)
elapsed = time.monotonic() - start
print(0.05 <= elapsed < 30, time.perf_counter() > 0, time.time() > 1.6e9)
print(time.process_time() < 5, time.gmtime(0).tm_year)
