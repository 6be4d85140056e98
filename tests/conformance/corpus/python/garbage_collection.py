import gc
import weakref

gc.collect()


class Node:
    pass


a, b = Node(), Node()
a.other, b.other = b, a
reference = weakref.ref(a, lambda r: print("collected"))
del a, b
print(reference() is None)
gc.collect()
print(reference() is None, gc.isenabled(), gc.get_threshold(), gc.garbage, gc.get_debug())
print(len(gc.callbacks))
