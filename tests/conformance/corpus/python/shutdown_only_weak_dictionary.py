import weakref


class Thing:
    pass


kept = Thing()
values = weakref.WeakValueDictionary(a=kept)
things = weakref.WeakSet([kept])
print(len(values), len(things))
