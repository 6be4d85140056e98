namespace = {}
exec("def f(x):\n    return 1 / x\n", namespace)
print(eval("f(4)", namespace), sorted(k for k in namespace if k != "__builtins__"))
code = compile("raise ValueError('compiled')", "<made up>", "exec")
try:
    exec(code)
except ValueError as error:
    print(error.__traceback__.tb_next.tb_frame.f_code.co_filename)
try:
    eval("1 +")
except SyntaxError as error:
    print(error)
exec("namespace['f'](0)")
