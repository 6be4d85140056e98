import first


def first_name():
    return first.name


from first import not_there_yet
