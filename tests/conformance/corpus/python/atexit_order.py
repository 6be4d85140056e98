import atexit

for i in range(3):
    atexit.register(print, "handler", i)


def unregistered():
    print("never")


atexit.register(unregistered)
atexit.unregister(unregistered)


@atexit.register
def registers_more():
    atexit.register(print, "registered at exit")
    print("registering")


print("end of main")
