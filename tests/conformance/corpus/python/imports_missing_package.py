try:
    import no_such_package
except ModuleNotFoundError as error:
    print(error, error.name, error.path)
from os import no_such_name
