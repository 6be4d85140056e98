import math


class Thing:
    colour = "red"


for attempt in (lambda: Thing().color, lambda: math.sqr(2)):
    try:
        attempt()
    except AttributeError as error:
        import traceback

        traceback.print_exc()
username = "x"
print(usernme)
