import second

name = "first"


def second_name():
    return second.first_name() + " via second"
