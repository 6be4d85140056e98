print("never printed")
text = "no end
print(text)
