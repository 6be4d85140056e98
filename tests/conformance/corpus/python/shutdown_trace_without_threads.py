import sys


def seen(frame, event, _argument):
    if frame.f_code.co_name != "write":
        print(event, frame.f_code.co_name)


def work():
    return 1


sys.settrace(seen)
sys.setprofile(lambda frame, event, _argument: None)
work()
