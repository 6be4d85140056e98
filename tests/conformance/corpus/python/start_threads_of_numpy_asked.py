# case: {"profile": "data", "env": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}}
import numpy

a = numpy.ones((500, 500))
a @ a
print(open("/proc/self/status").read().split("Threads:")[1].split()[0])
