import logging
import resource
import time

record = logging.LogRecord("a", 30, "p", 1, "m", (), None)
print(0 <= record.relativeCreated < 5000)
print(time.process_time() < 5, time.thread_time() < 5, time.monotonic() > 0, time.perf_counter() > 0)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, resource.getrusage(resource.RUSAGE_SELF).ru_utime < 5)
import os

print(os.times().children_user, os.times().user < 5)
