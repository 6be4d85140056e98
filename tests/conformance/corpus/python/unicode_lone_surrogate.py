print("fine so far")
print("\ud800")
