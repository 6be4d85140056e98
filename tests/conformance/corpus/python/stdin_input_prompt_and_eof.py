# case: {"stdin": "Ada\n"}
name = input("name? ")
print("hello", name)
age = input("age? ")
