print("main runs first")
try:
    import wrong
except SyntaxError as error:
    print(error.msg, error.lineno, error.offset, error.text)
import wrong
