# case: {"profile": "data"}
import os
import numpy

product = numpy.ones((300, 300)) @ numpy.ones((300, 300))
print(product.sum(), len(os.listdir("/proc/self/task")), os.environ["OMP_NUM_THREADS"])
