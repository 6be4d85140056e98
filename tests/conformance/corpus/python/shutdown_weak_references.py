import weakref


class Thing:
    pass


kept = Thing()
told = weakref.ref(kept, lambda _: print("told"))
final = weakref.finalize(kept, print, "finalised")
late = weakref.finalize(kept, print, "never at exit")
late.atexit = False
values = weakref.WeakValueDictionary(a=kept)
print(len(values))
