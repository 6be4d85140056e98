"""A file nobody closed is written at the end all the same."""
file = open("left.txt", "w")
file.write("not closed")
