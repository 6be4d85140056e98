# a comment with a latin-1 letter: é
print("never")
