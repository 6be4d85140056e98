def fail(kind, text):
    raise kind(text)


errors = []
for kind in (ValueError, TypeError, OSError):
    try:
        fail(kind, kind.__name__.lower())
    except Exception as error:
        errors.append(error)
try:
    raise ExceptionGroup("handled in part", errors)
except* ValueError as group:
    print("values:", [str(e) for e in group.exceptions])
except* TypeError as group:
    print("types:", [str(e) for e in group.exceptions])
