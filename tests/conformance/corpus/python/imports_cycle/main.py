import first

print(first.second_name())
from second import missing_yet
