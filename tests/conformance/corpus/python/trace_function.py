import sys

calls = []


def tracer(frame, event, argument):
    calls.append((event, frame.f_code.co_name, frame.f_lineno))
    return tracer


def work(n):
    return n + 1


sys.settrace(tracer)
work(1)
sys.settrace(None)
print(calls)
