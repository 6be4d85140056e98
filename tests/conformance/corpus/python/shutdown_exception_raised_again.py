try:
    try:
        1 / 0
    finally:
        print("first")
except ZeroDivisionError as error:
    print("then")
    raise
