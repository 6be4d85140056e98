# Prints without end.
# Expected containment: stopped at the output limit.
# attack: {"stopped_by": ["output"]}
while True:
    print("x" * 1000)
